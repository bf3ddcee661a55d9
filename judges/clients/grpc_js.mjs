// gRPC's interop cases by @grpc/grpc-js: node grpc_js.mjs TARGET DESCRIPTORS [AUTHORITY NAME]
// Prints a JSON object: what is wrong with each case, or null.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];
const PATIENCE = 20_000;
const ECHO_INITIAL = "x-grpc-test-echo-initial";
const ECHO_TRAILING = "x-grpc-test-echo-trailing-bin";

const [target, descriptors, authority, host] = process.argv.slice(2);
// Fields have the names of their protos: a descriptor set is taken as it is.
const { testing } = grpc.loadPackageDefinition(loader.loadFileDescriptorSetFromBuffer(readFileSync(descriptors))).grpc;
const credentials = authority ? grpc.credentials.createSsl(readFileSync(authority)) : grpc.credentials.createInsecure();
const named = host ? { "grpc.ssl_target_name_override": host, "grpc.default_authority": host } : {};
const soon = () => ({ deadline: Date.now() + PATIENCE });
const payload = (size) => ({ body: Buffer.alloc(size) });
const output = (size, length = 0, intervalUs = 0) => ({ response_parameters: [{ size, interval_us: intervalUs }], payload: payload(length) });

function stub(options = {}, service = testing.TestService) {
  return new service(target, credentials, { ...named, ...options });
}

function unary(client, method, request, metadata = new grpc.Metadata()) {
  const seen = {};
  return new Promise((resolve) => {
    client[method](request, metadata, soon(), (error, response) => Object.assign(seen, { error, response }))
      .on("metadata", (initial) => Object.assign(seen, { initial }))
      .on("status", (status) => resolve(Object.assign(seen, { status })));
  });
}

// The messages of a stream, and how it ended.
function drain(call) {
  const messages = [];
  const seen = { messages };
  return new Promise((resolve) => {
    call
      .on("data", (message) => messages.push(message))
      .on("metadata", (initial) => Object.assign(seen, { initial }))
      .on("error", (error) => Object.assign(seen, { error }))
      .on("status", (status) => resolve(Object.assign(seen, { status })));
  });
}

const sizes = (messages) => messages.map((message) => message.payload.body.length);

async function pingPong(client) {
  const call = client.FullDuplexCall(soon());
  for (const [index, size] of RESPONSE_SIZES.entries()) {
    call.write(output(size, REQUEST_SIZES[index]));
    const [message] = await once(call, "data");
    assert.equal(message.payload.body.length, size);
  }
  call.end();
  const [status] = await once(call, "status");
  assert.equal(status.code, grpc.status.OK);
}

const cases = {
  async empty_unary() {
    const { status, response } = await unary(stub(), "EmptyCall", {});
    assert.equal(status.code, grpc.status.OK);
    assert.deepEqual({ ...response }, {});
  },
  async large_unary() {
    const { response } = await unary(stub(), "UnaryCall", { response_size: 314159, payload: payload(271828) });
    assert.deepEqual(response.payload.body, Buffer.alloc(314159));
  },
  async compressed_unary() {
    const client = stub({ "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip });
    const request = { response_size: 314159, payload: payload(271828), response_compressed: { value: true } };
    const { response } = await unary(client, "UnaryCall", request);
    assert.deepEqual(response.payload.body, Buffer.alloc(314159));
  },
  async client_streaming() {
    const answered = new Promise((resolve, reject) => {
      const call = stub().StreamingInputCall(soon(), (error, response) => (error ? reject(error) : resolve(response)));
      REQUEST_SIZES.forEach((size) => call.write({ payload: payload(size) }));
      call.end();
    });
    assert.equal((await answered).aggregated_payload_size, REQUEST_SIZES.reduce((sum, size) => sum + size));
  },
  async server_streaming() {
    const response_parameters = RESPONSE_SIZES.map((size) => ({ size }));
    const { messages, status } = await drain(stub().StreamingOutputCall({ response_parameters }, soon()));
    assert.deepEqual(sizes(messages), RESPONSE_SIZES);
    assert.equal(status.code, grpc.status.OK);
  },
  ping_pong: () => pingPong(stub()),
  async many_at_once() {
    const client = stub();
    await Promise.all(Array.from({ length: 50 }, () => pingPong(client)));
  },
  async half_duplex() {
    const call = stub().HalfDuplexCall(soon());
    RESPONSE_SIZES.forEach((size) => call.write(output(size)));
    call.end();
    assert.deepEqual(sizes((await drain(call)).messages), RESPONSE_SIZES);
  },
  async empty_stream() {
    const call = stub().FullDuplexCall(soon());
    call.end();
    const { messages, status } = await drain(call);
    assert.deepEqual([messages, status.code], [[], grpc.status.OK]);
  },
  async cancel_after_first_response() {
    const call = stub().FullDuplexCall(soon());
    call.write(output(31415, 27182));
    await once(call, "data");
    const ended = drain(call);
    call.cancel();
    assert.equal((await ended).status.code, grpc.status.CANCELLED);
  },
  async timeout_on_sleeping_server() {
    const call = stub().FullDuplexCall({ deadline: Date.now() + 200 });
    call.write(output(31415, 27182, 10_000_000));
    assert.equal((await drain(call)).status.code, grpc.status.DEADLINE_EXCEEDED);
  },
  async status_code_and_message() {
    const message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    const response_status = { code: grpc.status.UNKNOWN, message };
    const call = stub().FullDuplexCall(soon());
    call.end({ response_status });
    for (const { status } of await Promise.all([drain(call), unary(stub(), "UnaryCall", { response_status })])) {
      assert.deepEqual([status.code, status.details], [grpc.status.UNKNOWN, message]);
    }
  },
  async custom_metadata() {
    const metadata = new grpc.Metadata();
    metadata.set(ECHO_INITIAL, "test_initial_metadata_value");
    metadata.set(ECHO_TRAILING, Buffer.from("0a0b0a0b0a0b", "hex"));
    const call = stub().FullDuplexCall(metadata, soon());
    call.end(output(9, 8));
    const single = unary(stub(), "UnaryCall", { response_size: 9 }, metadata);
    for (const seen of await Promise.all([drain(call), single])) {
      assert.deepEqual(seen.initial.get(ECHO_INITIAL), ["test_initial_metadata_value"]);
      assert.deepEqual(seen.status.metadata.get(ECHO_TRAILING), [Buffer.from("0a0b0a0b0a0b", "hex")]);
    }
  },
  async unimplemented() {
    for (const service of [testing.TestService, testing.UnimplementedService]) {
      const { status } = await unary(stub({}, service), "UnimplementedCall", {});
      assert.equal(status.code, grpc.status.UNIMPLEMENTED);
    }
  },
};

const verdicts = {};
for (const [name, run] of Object.entries(cases)) {
  verdicts[name] = await run().then(
    () => null,
    (error) => error.stack,
  );
}
// Channels keep the program alive.
process.stdout.write(JSON.stringify(verdicts), () => process.exit(0));
