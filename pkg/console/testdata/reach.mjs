// Measures two views of the page in headless Chromium, and prints what it measured as JSON.
//   node reach.mjs '{"chromium": …, "modules": …, "profile": …, "address": …, "job": …, "jobs": …, "units": …}'
import { createRequire } from 'node:module';

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(options.modules + '/')('playwright-core');

const context = await chromium.launchPersistentContext(options.profile, {
  executablePath: options.chromium,
  headless: true,
  viewport: { width: 1600, height: 1000 },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--mute-audio', '--disable-dev-shm-usage'],
});

// drawn waits until a condition holds, and returns the time since the navigation began. Asking costs some milliseconds.
async function drawn(page, condition, value) {
  await page.waitForFunction(condition, value, { polling: 'raf' });
  return page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => resolve(performance.now()))));
}

// frames measures the times between frames for some seconds.
const frames = (page, seconds, scroll) => page.evaluate(([s, selector]) => new Promise((resolve) => {
  const times = [];
  let longest = 0;
  new PerformanceObserver((list) => { for (const e of list.getEntries()) longest = Math.max(longest, e.duration); }).observe({ type: 'longtask' });
  const end = performance.now() + s * 1000;
  let last = 0;
  const frame = (now) => {
    if (last) times.push(now - last);
    last = now;
    const box = selector && document.querySelector(selector);
    if (box) box.scrollTop += 40;
    if (now < end) requestAnimationFrame(frame);
    else {
      times.sort((a, b) => a - b);
      resolve({ frames: times.length, median: times[times.length >> 1], worst: times.at(-1), longest });
    }
  };
  requestAnimationFrame(frame);
}), [seconds, scroll]);

try {
  const list = [];
  for (const [view, path, condition, value, scroll] of [
    ['jobs', '/', (n) => document.querySelectorAll('#rows .job').length === n, options.jobs, null],
    ['job', '/#/job/' + options.job, 
      (n) => document.querySelector('.units .summary')?.textContent.startsWith(n + ':') && document.querySelector('.graph') !== null, options.units, '.units .virtual'],
  ]) {
    const page = await context.newPage();
    await page.goto(options.address + path, { waitUntil: 'commit' });
    const first = await drawn(page, condition, value);
    list.push({ view, first, ...await frames(page, 8, scroll) });
    await page.close();
  }
  console.log(JSON.stringify(list));
} finally {
  await context.close();
}
