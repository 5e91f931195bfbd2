// Opens pages of mapreel play in headless Chromium, and prints as JSON what each shows.
//   node page.mjs '{"chromium": …, "profile": …, "pages": [address, …], "modules": …}'
import { context, options } from './browser.mjs';

try {
  const shown = [];
  for (const address of options.pages) {
    const page = await context.newPage();
    const problems = [];
    page.on('pageerror', (e) => problems.push(e.message));
    page.on('console', (m) => { if (m.type() === 'error') problems.push(m.text()); });
    await page.goto(address);
    await page.waitForFunction(() => document.getElementById('problem').textContent || document.querySelector('video').readyState >= 2, null, { timeout: 60000 });
    shown.push({
      errors: problems,
      ...await page.evaluate(() => {
        const choices = {};
        for (const select of document.querySelectorAll('select')) {
          if (!select.parentElement.hidden) choices[select.id] = { options: [...select.options].map((o) => o.text), chosen: select.selectedOptions[0]?.text };
        }
        return { title: document.title, problem: document.getElementById('problem').textContent, time: document.getElementById('time').textContent, choices };
      }),
    });
    await page.close();
  }
  console.log(JSON.stringify(shown));
} finally {
  await context.close();
}
