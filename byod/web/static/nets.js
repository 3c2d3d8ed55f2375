/** ONNX files, run by onnxruntime-web on one thread, which works from any host (several would need its headers). */

import * as ort from "./runtime/ort.wasm.bundle.min.js";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/**
 * The nets of a model by name. `model` says of each, and of the runtime, which file it is and how many bytes come;
 * `progress` is told the share (0..1) of all bytes that have come.
 */
export async function opened({ nets: described, runtime }, folder, progress) {
  const files = [runtime, ...Object.values(described)].map(suited);
  const whole = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let come = 0;
  const more = (bytes) => progress(Math.min(1, (come += bytes) / whole));
  const [program, ...contents] = files.map((file) => fetched(file, folder, more));
  ort.env.wasm.wasmBinary = await program;
  const nets = {};
  for (const [at, name] of Object.keys(described).entries()) {
    nets[name] = new Net(await ort.InferenceSession.create(await contents[at], { executionProviders: ["wasm"] }));
  }
  return nets;
}

/** The packed file, or the plain one beside it for browsers that cannot unpack. */
function suited({ file, bytes, plain }) {
  return "DecompressionStream" in globalThis ? { file, bytes, plain } : { file: file.replace(/\.gz$/, ""), bytes: plain, plain };
}

/** The bytes of a file, whole and unpacked. */
async function fetched({ file, plain }, folder, more) {
  const answer = await fetch(new URL(file, folder));
  if (!answer.ok) throw new Error(`${file}: HTTP ${answer.status}`);
  const parts = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    more(value.length);
  }
  const content = await inflated(new Uint8Array(await new Blob(parts).arrayBuffer()));
  if (content.length !== plain) throw new Error(`${file} holds ${content.length} bytes instead of ${plain}: upload it again`);
  return content;
}

/** What is packed with gzip, unpacked; a host may have done so already. */
async function inflated(content) {
  if (content[0] !== 0x1f || content[1] !== 0x8b) return content;
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

class Net {
  constructor(session) {
    this.session = session;
  }

  /**
   * What the net says of some pictures {width, height, pixels} of its own size, by the name of each output:
   * {dims, data}, numbers row by row.
   */
  async run(pictures) {
    const { width, height } = pictures[0];
    const images = new Float32Array(pictures.length * 3 * width * height);
    pictures.forEach(({ pixels }, at) => fill(images.subarray(at * pixels.length, (at + 1) * pixels.length), pixels));
    const image = new ort.Tensor("float32", images, [pictures.length, 3, height, width]);
    return this.session.run({ image });
  }
}

/** RGB bytes, pixel by pixel, to 0..1, plane by plane. */
function fill(planes, pixels) {
  const size = pixels.length / 3;
  for (let at = 0, from = 0; at < size; at++) {
    planes[at] = pixels[from++] / 255;
    planes[at + size] = pixels[from++] / 255;
    planes[at + 2 * size] = pixels[from++] / 255;
  }
}
