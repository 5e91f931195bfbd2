// Measures two views of the page in headless Chromium, and prints what it measured as JSON.
//   node reach.mjs '{"chromium": …, "modules": …, "profile": …, "address": …, "job": …, "jobs": …, "units": …}'
import { writeFileSync } from 'node:fs';
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

// watch has a page note when each of two conditions holds first, in milliseconds since the navigation began. It looks at every frame,
// from the page's own first script on: what Playwright would bring along to wait for a condition costs the page 50 ms.
const watch = (page, conditions) => page.addInitScript(`{
  const conditions = { ${Object.entries(conditions).map(([name, c]) => name + ': () => ' + c).join(', ')} };
  const noted = window.noted = {};
  const look = () => {
    for (const name of Object.keys(conditions)) {
      if (!conditions[name]()) continue;
      delete conditions[name];
      requestAnimationFrame(() => { noted[name] = performance.now(); });
    }
    if (Object.keys(conditions).length > 0) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}`);

// frames measures the times between frames for some seconds from the first view on. How long that takes is measured by itself.
const frames = (page, seconds, scroll) => page.evaluate(([s, selector]) => new Promise((resolve) => {
  const times = [];
  let longest = 0;
  new PerformanceObserver((list) => { for (const e of list.getEntries()) longest = Math.max(longest, e.duration); }).observe({ type: 'longtask' });
  let last = 0, end = 0;
  const frame = (now) => {
    if (!window.noted.first) {
      requestAnimationFrame(frame);
      return;
    }
    end ||= now + s * 1000;
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
// times between frames it depends little on what else the machine does. TRACE=FILE and CATEGORIES=toplevel,devtools.timeline,cc,blink
// in the environment keep the traces, for the Performance panel of a browser.
async function tasks(page) {
  const session = await context.newCDPSession(page);
  const events = [];
  session.on('Tracing.dataCollected', (e) => events.push(...e.value));
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: (process.env.CATEGORIES || 'toplevel').split(',') } });
  return async () => {
    const ended = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
    await session.send('Tracing.end');
    await ended;
    const main = new Set(events.filter((e) => e.name === 'thread_name' && e.args.name === 'CrRendererMain').map((e) => e.tid + '/' + e.pid));
    if (process.env.TRACE) writeFileSync(process.env.TRACE + '-' + Date.now() + '.json', JSON.stringify({ traceEvents: events }));
    return Math.max(0, ...events.filter((e) => e.tdur && main.has(e.tid + '/' + e.pid)).map((e) => e.tdur / 1000));
  };
}

try {
  const list = [];
  await (await context.newPage()).goto(options.address + '/page/icon.svg'); // a browser that runs already
  const summary = "(document.querySelector('.units .summary')?.textContent || '')";
  for (const [view, path, first, all, scroll] of [
    ['jobs', '/', `document.querySelectorAll('#rows .job').length === ${options.jobs}`, 'true', null],
    ['job', '/#/job/' + options.job, `document.querySelector('.graph') !== null && ${summary}.startsWith('${options.units}:')`,
      `/: .*[^…]$/.test(${summary})`, '.units .virtual'],
  ]) {
    const page = await context.newPage();
    await watch(page, { first, all: `noted.first && ${all}` });
    const busy = await tasks(page);
    await page.goto(options.address + path, { waitUntil: 'commit' });
    const measured = await frames(page, 8, scroll);
    list.push({ view, ...await page.evaluate(() => noted), ...measured, busy: await busy() });
    await page.close();
  }
  console.log(JSON.stringify(list));
} finally {
  await context.close();
}
