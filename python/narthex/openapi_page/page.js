// Shows the document that the page names. A file of its own, since the page's policy lets no inline script run.
"use strict";

const page = document.getElementById("page");

const ui = SwaggerUIBundle({
  domNode: page,
  url: new URL(page.dataset.document, document.baseURI).href,
  deepLinking: true,
  displayRequestDuration: true,
  // It would send the document to a validator on another host.
  validatorUrl: null,
  onComplete() {
    document.title = ui.specSelectors.info().get("title") ?? document.title;
  },
});
