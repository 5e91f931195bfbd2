// Work that is done before frames are drawn. All of it shares a few milliseconds of each frame; what is left waits for the next one.

// frameTime is how long the work before a frame may take, in milliseconds. Layout and painting come on top.
const frameTime = 6;

// firstTime is the same for what has not been drawn before: nothing is on screen yet that could stand still, and each frame more
// until the first view costs more than the work in it.
const firstTime = 16;

const drawings = []; // that wait for a frame
const slices = []; // of work that takes several frames
let asked = false;

function ask() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(work);
}

function work() {
  asked = false;
  const began = performance.now();
  const hasTime = (fresh) => performance.now() < began + (fresh ? firstTime : frameTime);
  let first = true;
  // What these draw may ask for others: those are drawn in the next frame.
  for (let n = drawings.length; n > 0 && (first || hasTime(drawings[0].fresh)); n--) {
    drawings.shift().draw();
    first = false;
  }
  // Each gets a slice in turn, so that none waits for all of another.
  if (slices.length > 0 && (first || hasTime(slices[0].fresh))) {
    const slice = slices.shift();
    slice.run(() => hasTime(slice.fresh));
  }
  if (drawings.length > 0 || slices.length > 0) ask();
}

// everyFrame returns a function that has draw called once before a frame, however often it is called.
export function everyFrame(draw) {
  let waiting = false;
  const drawing = { fresh: true, draw: () => {
    waiting = false;
    drawing.fresh = false;
    draw();
  } };
  return () => {
    if (waiting) return;
    waiting = true;
    drawings.push(drawing);
    ask();
  };
}

// nextFrame is what a generator yields before something that costs a frame.
export const nextFrame = Symbol('next frame');

// inSlices returns a function that runs a generator a few milliseconds a frame, to its end. Called meanwhile, it has a new one run
// after that.
export function inSlices(make) {
  let work = null;
  let again = false;
  const slice = { fresh: true, run: (hasTime) => {
    do {
      const step = work.next();
      if (step.value === nextFrame) break;
      if (!step.done) continue;
      slice.fresh = false;
      work = again ? make() : null;
      again = false;
    } while (work && hasTime());
    if (work) slices.push(slice);
  } };
  return () => {
    if (work) {
      again = true;
      return;
    }
    work = make();
    slices.push(slice);
    ask();
  };
}
