// Rectangles on a canvas, filled in memory. A canvas records what is drawn on it and paints all of that at the end of the frame,
// which takes 30 ms for 10,000 rectangles; here each costs what it costs when it is filled.

// mostPixels bounds the sides of a canvas in pixels. Browsers draw nothing on larger ones.
const mostPixels = 16384;

// pixelOf returns a colour as a pixel. It is written as the page's style sheet does: #rgb or #rrggbb.
export function pixelOf(colour) {
  const digits = colour.length === 4 ? colour.replace(/[^#]/g, '$&$&') : colour;
  const n = parseInt(digits.slice(1), 16);
  return (255 << 24 | (n & 255) << 16 | (n & 0xff00) | n >> 16) >>> 0; // red is the first byte
}

// Raster is the picture of a canvas. Places and sizes are in CSS pixels.
export class Raster {
  constructor(canvas) { this.canvas = canvas; }

  // resize makes it as large as it will be shown, and empty. The canvas stays as it is until show.
  resize(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.scale = Math.min(devicePixelRatio || 1, mostPixels / this.width, mostPixels / this.height);
    const [columns, rows] = [this.at(this.width), this.at(this.height)];
    if (this.image?.width === columns && this.image.height === rows) this.pixels.fill(0);
    else {
      this.image = new ImageData(columns, rows);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    [this.top, this.bottom] = [0, rows];
  }

  at(place) { return Math.max(1, Math.round(place * this.scale)); }

  // fill fills a rectangle with a pixel; 0 clears it.
  fill(x, y, width, height, pixel) {
    const columns = this.image.width;
    const left = Math.max(0, Math.round(x * this.scale));
    const top = Math.max(0, Math.round(y * this.scale));
    const right = Math.min(columns, left + this.at(width));
    const bottom = Math.min(this.image.height, top + this.at(height));
    for (let row = top; row < bottom && right > left; row++) this.pixels.fill(pixel, row * columns + left, row * columns + right);
    this.top = Math.min(this.top, top);
    this.bottom = Math.max(this.bottom, bottom);
  }

  // frame draws the edges of a rectangle, two pixels wide.
  frame(x, y, width, height, pixel) {
    this.fill(x - 1, y - 1, width + 2, 2, pixel);
    this.fill(x - 1, y + height - 1, width + 2, 2, pixel);
    this.fill(x - 1, y - 1, 2, height + 2, pixel);
    this.fill(x + width - 1, y - 1, 2, height + 2, pixel);
  }

  // show puts what has changed on the canvas, right of a margin, and returns what draws texts on it.
  show(margin = 0) {
    const { canvas, image } = this;
    if (canvas.width !== image.width || canvas.height !== image.height) [canvas.width, canvas.height, this.top, this.bottom] = [image.width, image.height, 0, image.height];
    canvas.style.height = this.height + 'px';
    this.context ||= canvas.getContext('2d');
    const c = this.context;
    const left = margin && this.at(margin);
    if (this.bottom > this.top) c.putImageData(image, 0, 0, left, this.top, image.width - left, this.bottom - this.top);
    [this.top, this.bottom] = [image.height, 0];
    c.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    c.font = '12px system-ui, sans-serif';
    c.textBaseline = 'middle';
    return c;
  }
}
