// White strokes on black, as the digits of data sets are.

const PEN = 1 / 9; // of the side of the square

export class Drawing {
  // `done` is called when the pen is lifted.
  constructor(canvas, done) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.clear();
    let last = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = this.place(event);
      this.stroke(last, last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (last === null) return;
      const next = this.place(event);
      this.stroke(last, next);
      last = next;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => {
        if (last !== null) done();
        last = null;
      });
    }
  }

  // Where a pointer is, in pixels of the canvas, however large it is shown.
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.canvas.width,
      ((event.clientY - box.top) / box.height) * this.canvas.height,
    ];
  }

  stroke(from, to) {
    this.pen.lineWidth = this.canvas.width * PEN;
    this.pen.lineCap = this.pen.lineJoin = "round";
    this.pen.strokeStyle = "#fff";
    this.pen.beginPath();
    this.pen.moveTo(...from);
    this.pen.lineTo(...to);
    this.pen.stroke();
  }

  clear() {
    this.pen.fillStyle = "#000";
    this.pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  // The drawing as a PNG file.
  file() {
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/png"));
  }
}
