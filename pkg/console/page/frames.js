// Work that is done before frames are drawn. All of it shares a few milliseconds of each frame; what is left waits for the next one.

// frameTime is how long the work before a frame may take, in milliseconds. Layout and painting come on top.
const frameTime = 6;

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
  const until = performance.now() + frameTime;
  let first = true;
  // What these draw may ask for others: those are drawn in the next frame.
  for (let n = drawings.length; n > 0 && (first || performance.now() < until); n--) {
    drawings.shift()();
    first = false;
  }
  // Each gets a slice in turn, so that none waits for all of another.
  if (slices.length > 0 && (first || performance.now() < until)) {
    const slice = slices.shift();
    slice(until);
  }
  if (drawings.length > 0 || slices.length > 0) ask();
}

// everyFrame returns a function that has draw called once before a frame, however often it is called.
export function everyFrame(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    drawings.push(() => {
      waiting = false;
      draw();
    });
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
  const slice = (until) => {
    do {
      const step = work.next();
      if (step.value === nextFrame) break;
      if (!step.done) continue;
      work = again ? make() : null;
      again = false;
    } while (work && performance.now() < until);
    if (work) slices.push(slice);
  };
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
