/** ONNX files, run by onnxruntime-web on one thread, which works from any host (several would need its headers). */

import * as ort from "./runtime/ort.wasm.bundle.min.js";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/** The nets of a model by name; `described` says of each which file it is and how many bytes that has. */
export async function opened(described, folder) {
  const nets = {};
  for (const [name, { file, bytes }] of Object.entries(described)) {
    const answer = await fetch(new URL(file, folder));
    if (!answer.ok) throw new Error(`${file}: HTTP ${answer.status}`);
    const content = new Uint8Array(await answer.arrayBuffer());
    if (content.length !== bytes) throw new Error(`${file} has ${content.length} bytes instead of ${bytes}: upload it again`);
    nets[name] = new Net(await ort.InferenceSession.create(content, { executionProviders: ["wasm"] }));
  }
  return nets;
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
