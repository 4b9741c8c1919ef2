import { writeFileSync } from "node:fs";
import { Client, credentials, Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";

/** Calls of Vertex by gRPC, unary, streamed, failed and canceled, against a server in the same process. */
const PREDICTION = "/google.cloud.aiplatform.v1.PredictionService";
const bytes = (value) => value;
const method = (name, responseStream) => ({
  path: `${PREDICTION}/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
const server = new Server();
server.addService(
  {
    GenerateContent: method("GenerateContent", false),
    StreamGenerateContent: method("StreamGenerateContent", true),
    Predict: method("Predict", false),
  },
  {
    GenerateContent: ({ request, metadata }, done) =>
      done(null, Buffer.concat([request, Buffer.from(`, ${metadata.get("x-app")}`)])),
    StreamGenerateContent(call) {
      for (const piece of ["one", "two", "three"]) call.write(Buffer.from(piece));
      const trailer = new Metadata();
      trailer.set("x-trailer", "sent");
      call.end(trailer);
    },
    Predict: (_, done) => done({ code: status.RESOURCE_EXHAUSTED, details: "quota" }),
  },
);
const port = await new Promise((resolve, reject) =>
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
    error ? reject(error) : resolve(bound),
  ),
);
// By a name that the configuration declares: its port is known only here.
const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
  "grpc.default_authority": "aiplatform.googleapis.com",
});
const metadata = new Metadata();
metadata.set("x-app", "kept");

const unary = (name) =>
  new Promise((resolve) => {
    client.makeUnaryRequest(`${PREDICTION}/${name}`, bytes, bytes, Buffer.from("asked"), metadata, (error, value) =>
      resolve(error ? { code: error.code, details: error.details } : String(value)),
    );
  });
const streamed = (cancels) =>
  new Promise((resolve) => {
    const call = client.makeServerStreamRequest(
      `${PREDICTION}/StreamGenerateContent`,
      bytes,
      bytes,
      Buffer.from("asked"),
      metadata,
    );
    const pieces = [];
    call.on("data", (piece) => {
      pieces.push(String(piece));
      if (cancels) call.cancel();
    });
    call.on("error", () => {});
    call.on("status", ({ code, metadata: trailers }) =>
      resolve({ code, pieces: cancels ? pieces[0] : pieces, trailer: cancels ? [] : trailers.get("x-trailer") }),
    );
  });
const seen = [await unary("GenerateContent"), await unary("Predict"), await streamed(false), await streamed(true)];
client.close();
server.forceShutdown();
writeFileSync(process.env.SEEN, JSON.stringify(seen));
