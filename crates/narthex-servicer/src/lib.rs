//! Python gRPC servicers as a Tower service.
