// The few browser things that three.js loaders touch while they parse.
class FakeImage {
  addEventListener(kind, listener) { if (kind === 'load') this.listener = listener; }
  removeEventListener() {}
  set src(value) { queueMicrotask(() => this.listener?.call(this, {})); }
}
const element = (name) => (name === 'img' ? new FakeImage() : { style: {}, getContext: () => null, addEventListener() {} });
globalThis.self ??= globalThis;
globalThis.window ??= globalThis;
globalThis.document ??= { createElementNS: (space, name) => element(name), createElement: element };
globalThis.createImageBitmap ??= async () => ({ width: 1, height: 1, close() {} });
globalThis.ProgressEvent ??= class {};
