// The shop's services as browsers call them: by Connect, and by gRPC-Web with either of its two libraries.
//
// Each entry of `clients` has the same three functions. Errors are brought into one form: a code, a message, and what google.rpc
// has to say of fields.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import grpcWeb from "grpc-web";

import { BadRequestSchema } from "./generated/google/rpc/error_details_pb.js";
import { StatusSchema } from "./generated/google/rpc/status_pb.js";
import { Health, HealthCheckResponse_ServingStatus } from "./generated/grpc/health/v1/health_pb.js";
import { ShopService } from "./generated/shop/v1/shop_pb.js";

export class CallError extends Error {
  constructor(code, message, violations) {
    super(message);
    this.code = code;
    this.violations = violations;
  }
}

export function clients(baseUrl) {
  return {
    connect: byConnect(createConnectTransport({ baseUrl })),
    "connect-binary": byConnect(createConnectTransport({ baseUrl, useBinaryFormat: true, useHttpGet: true })),
    "grpc-web": byConnect(createGrpcWebTransport({ baseUrl })),
    "grpc-web-text": byGrpcWeb(baseUrl),
  };
}

// @connectrpc/connect-web: one client, whatever the transport.
function byConnect(transport) {
  const shop = createClient(ShopService, transport);
  const health = createClient(Health, transport);
  const mended = (promise) =>
    promise.catch((reason) => {
      const error = ConnectError.from(reason);
      const violations = error.findDetails(BadRequestSchema).flatMap((details) => details.fieldViolations);
      throw new CallError(Code[error.code], error.rawMessage, violations);
    });
  return {
    listBooks: (request) => mended(shop.listBooks(request)),
    createBook: (request) => mended(shop.createBook(request)),
    async *watchHealth(signal) {
      for await (const { status } of health.watch({}, { signal })) {
        yield HealthCheckResponse_ServingStatus[status];
      }
    },
  };
}

// grpc-web, which knows only its own text form for streams; its messages can be anything that becomes bytes and back.
function byGrpcWeb(baseUrl) {
  const client = new grpcWeb.GrpcWebClientBase({ format: "text" });
  const described = (method, type) =>
    new grpcWeb.MethodDescriptor(
      `/${method.parent.typeName}/${method.name}`,
      type,
      Object,
      Object,
      (request) => toBinary(method.input, request),
      (bytes) => fromBinary(method.output, bytes),
    );
  const unary = (method) => async (request) => {
    const descriptor = described(method, grpcWeb.MethodType.UNARY);
    const path = baseUrl + descriptor.getName();
    return client.unaryCall(path, create(method.input, request), {}, descriptor).catch((error) => {
      const encoded = error.metadata?.["grpc-status-details-bin"];
      const status = encoded && fromBinary(StatusSchema, base64Decode(encoded));
      const found = status ? status.details.filter(({ typeUrl }) => typeUrl.endsWith(`/${BadRequestSchema.typeName}`)) : [];
      const violations = found.flatMap(({ value }) => fromBinary(BadRequestSchema, value).fieldViolations);
      throw new CallError(Code[error.code], error.message, violations);
    });
  };
  return {
    listBooks: unary(ShopService.method.listBooks),
    createBook: unary(ShopService.method.createBook),
    async *watchHealth(signal) {
      const descriptor = described(Health.method.watch, grpcWeb.MethodType.SERVER_STREAMING);
      const request = create(Health.method.watch.input);
      const stream = client.serverStreaming(baseUrl + descriptor.getName(), request, {}, descriptor);
      signal.addEventListener("abort", () => stream.cancel());
      let wake;
      const events = [];
      const put = (event) => {
        events.push(event);
        wake?.();
      };
      stream.on("data", ({ status }) => put({ status }));
      stream.on("error", (error) => put({ error }));
      stream.on("end", () => put({ end: true }));
      while (!signal.aborted) {
        const event = events.shift();
        if (!event) {
          await new Promise((resolve) => (wake = resolve));
        } else if (event.error) {
          throw event.error;
        } else if (event.end) {
          return;
        } else {
          yield HealthCheckResponse_ServingStatus[event.status];
        }
      }
    },
  };
}
