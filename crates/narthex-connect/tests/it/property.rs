use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use narthex_connect::query::Query;
use narthex_wire::{Codec, Encoding};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_message_comes_back_in_every_spelling(message in proptest::collection::vec(any::<u8>(), 0..40)) {
        let escaped = percent_encode(&message, NON_ALPHANUMERIC).to_string();
        let form = escaped.replace("%20", "+");
        let text = format!("{}&base64=1", URL_SAFE_NO_PAD.encode(&message));
        for value in [escaped, form, text] {
            let query = Query::read(&format!("a=b&encoding=proto&message={value}")).unwrap().unwrap();
            prop_assert_eq!(query, Query { codec: Codec::Proto, encoding: Encoding::Identity, message: message.clone() });
        }
    }

    #[test]
    fn nothing_makes_it_panic(query in "[a-z0-9=&%+_./-]{0,60}|.{0,60}") {
        let _ = Query::read(&query);
        let _ = Query::read(&format!("encoding=json&base64=1&message={query}"));
    }
}
