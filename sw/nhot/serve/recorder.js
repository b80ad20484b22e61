// A second of the microphone as a wav file of 16 bits and 16,000 samples a second.

export const RATE = 16000;

// `seconds` of samples from -1 to 1. The browser brings the microphone to the rate.
export async function record(seconds) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const context = new AudioContext({ sampleRate: RATE });
  try {
    await context.audioWorklet.addModule("/microphone.js");
    const source = context.createMediaStreamSource(stream);
    const tap = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
    const samples = new Float32Array(RATE * seconds);
    let count = 0;
    await new Promise((resolve) => {
      tap.port.onmessage = ({ data }) => {
        const part = data.subarray(0, samples.length - count);
        samples.set(part, count);
        count += part.length;
        if (count === samples.length) resolve();
      };
      source.connect(tap);
    });
    return samples;
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    await context.close();
  }
}

export function wav(samples) {
  const bytes = 2 * samples.length;
  const view = new DataView(new ArrayBuffer(44 + bytes));
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of this part
  view.setUint16(20, 1, true); // integers
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true); // bytes a second
  view.setUint16(32, 2, true); // bytes of a sample
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  samples.forEach((sample, i) => {
    const integer = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    view.setInt16(44 + 2 * i, integer, true);
  });
  return new Blob([view], { type: "audio/wav" });
}
