// Opens the page of a job in headless Chromium, and prints a line of JSON whenever other frames are shown, or none.
//   node rendered.mjs '{"chromium": …, "modules": …, "profile": …, "address": …}'
import { context, options } from '../../player/playertest/browser.mjs';

try {
  const page = await context.newPage();
  page.on('pageerror', (e) => console.log(JSON.stringify({ error: e.message })));
  await page.exposeFunction('report', (text) => console.log(text));
  await page.goto(options.address);
  await page.evaluate(() => {
    let last = '';
    setInterval(() => {
      const section = document.querySelector('section[aria-label="Frames"]');
      const images = section && !section.hidden ? [...section.querySelectorAll('img')] : [];
      if (!document.querySelector('.graph') || images.some((i) => !i.complete)) return;
      const text = JSON.stringify({
        frames: images.map((i) => i.alt + ' ' + i.naturalWidth + 'x' + i.naturalHeight), summary: images.length ? section.querySelector('.summary').textContent : '',
      });
      if (text !== last) window.report(last = text);
    }, 50);
  });
  await new Promise((resolve) => process.stdin.on('end', resolve).resume());
} finally {
  await context.close();
}
