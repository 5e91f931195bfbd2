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

// tasks returns a function that returns the processor time of the page's longest task since then, in milliseconds. Other than the
// times between frames it does not depend on what else the machine does.
async function tasks(page) {
  const session = await context.newCDPSession(page);
  const events = [];
  session.on('Tracing.dataCollected', (e) => events.push(...e.value));
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['toplevel'] } });
  return async () => {
    const ended = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
    await session.send('Tracing.end');
    await ended;
    const main = new Set(events.filter((e) => e.name === 'thread_name' && e.args.name === 'CrRendererMain').map((e) => e.tid + '/' + e.pid));
    return Math.max(0, ...events.filter((e) => e.tdur && main.has(e.tid + '/' + e.pid)).map((e) => e.tdur / 1000));
  };
}

try {
  const list = [];
  await (await context.newPage()).goto(options.address + '/page/icon.svg'); // a browser that runs already
  for (const [view, path, condition, value, complete, scroll] of [
    ['jobs', '/', (n) => document.querySelectorAll('#rows .job').length === n, options.jobs, () => true, null],
    ['job', '/#/job/' + options.job, 
      (n) => document.querySelector('.units .summary')?.textContent.startsWith(n + ':') && document.querySelector('.graph') !== null, options.units,
      () => /: .*[^…]$/.test(document.querySelector('.units .summary').textContent), '.units .virtual'],
  ]) {
    const page = await context.newPage();
    const busy = await tasks(page);
    await page.goto(options.address + path, { waitUntil: 'commit' });
    const first = await drawn(page, condition, value);
    const [measured, all] = await Promise.all([frames(page, 8, scroll), drawn(page, complete)]);
    list.push({ view, first, all, ...measured, busy: await busy() });
    await page.close();
  }
  console.log(JSON.stringify(list));
} finally {
  await context.close();
}
