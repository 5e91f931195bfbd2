// Uses the page of mapreel serve in headless Chromium as a person does.
//   node page.mjs '{"chromium": …, "modules": …, "profile": …, "address": …, "token": …, "film": path}'
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(options.modules + '/')('playwright-core');
const name = '<img src=x onerror=alert(1)>.mp4';
const problems = [];

function check(ok, what) {
  if (!ok) problems.push(what);
}

// named checks that everything on a page that can be used, looked at or jumped to has a name for those who cannot see it.
const roles = ['button', 'link', 'textbox', 'searchbox', 'combobox', 'slider', 'spinbutton', 'checkbox', 'radio', 'progressbar', 'meter', 'img', 'image', 'Video', 'Canvas',
  'dialog', 'table', 'columnheader', 'region', 'heading', 'DisclosureTriangle'];
async function named(page, where) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  const found = nodes.filter((n) => !n.ignored && roles.includes(n.role?.value));
  for (const n of found) check(n.name?.value?.trim(), where + ' has a ' + n.role.value + ' without a name');
  return found.map((n) => n.role.value + ' ' + n.name?.value);
}

// A list of what screen readers are told without being asked, which grows while the page is used.
const listen = (page) => page.evaluate(() => {
  window.told = [];
  for (const region of document.querySelectorAll('[aria-live]:not([aria-live="off"]), [role="status"], [role="alert"], output:not([aria-live="off"])')) {
    new MutationObserver(() => window.told.push(region.id + ': ' + region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
  }
});

const context = await chromium.launchPersistentContext(options.profile, {
  executablePath: options.chromium,
  headless: true,
  viewport: { width: 1200, height: 900 },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--mute-audio', '--disable-dev-shm-usage'],
});
context.setDefaultTimeout(60000);
try {
  const page = await context.newPage();
  page.on('pageerror', (e) => problems.push('error: ' + e.message));
  page.on('console', (m) => { if (m.type() === 'error' && !m.text().includes('401') && !m.text().includes('422')) problems.push('console: ' + m.text() + ' ' + m.location().url); });
  page.on('dialog', (d) => { problems.push('a dialog: ' + d.message()); d.dismiss(); });
  page.on('request', (r) => { if (!r.url().startsWith(options.address) && !r.url().startsWith('blob:') && !r.url().startsWith('data:')) problems.push('asked ' + r.url()); });

  const refused = await page.goto(options.address + '/');
  check(refused.status() === 401, 'without a token the page answers ' + refused.status());
  await page.goto(options.address + '/?token=' + options.token);
  check(page.url() === options.address + '/', 'the token stays in the address ' + page.url());
  await page.getByText('No jobs yet').waitFor();

  // The dialog keeps the focus, and gives it back.
  const start = page.getByRole('button', { name: 'New job' });
  await start.click();
  await page.locator('#field-source').waitFor(); // the form comes with an answer of the server
  const dialog = await named(page, 'the dialog');
  check(dialog.includes('combobox Preset'), 'the dialog has ' + dialog.join(', '));
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press('Tab');
    check(await page.evaluate(() => document.activeElement === document.body || document.getElementById('start').contains(document.activeElement)), 'Tab leaves the dialog');
  }
  await page.keyboard.press('Escape');
  check(await start.evaluate((b) => b === document.activeElement), 'the focus does not come back from the dialog');

  // A film is dropped on the page. Dragging and dropping open the dialog; the answer to what the first one asks comes late.
  let late = true;
  await page.route('**/console/settings', async (route) => {
    const wait = late;
    late = false;
    if (wait) await new Promise((resolve) => setTimeout(resolve, 400));
    await route.continue();
  });
  await page.evaluate(([data, file]) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], file, { type: 'video/mp4' }));
    for (const type of ['dragover', 'drop']) document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, [readFileSync(options.film).toString('base64'), name]);
  await page.getByText('uploaded').waitFor();
  await page.waitForTimeout(600);

  // The form and the YAML are the same request; problems are shown at their place.
  const yaml = page.locator('#yaml');
  check((await yaml.inputValue()).includes(name), 'the YAML does not have the source');
  await page.getByLabel('Quality (CRF)').fill('99');
  await page.locator('#problems button', { hasText: 'Line' }).waitFor();
  check(await page.getByLabel('Quality (CRF)').getAttribute('aria-invalid') === 'true', 'the field is not marked');
  await page.getByRole('button', { name: 'Start' }).click();
  await page.locator('#start-problem').waitFor();
  await page.getByLabel('Quality (CRF)').fill('30');
  await page.locator('#problems li').waitFor({ state: 'detached' });
  await page.getByLabel('Preset', { exact: true }).selectOption('phone');
  check(/\n {4}preset: phone\n/.test(await yaml.inputValue()), 'the YAML does not name the preset: ' + await yaml.inputValue());
  await yaml.fill((await yaml.inputValue()).replace('preset: phone', 'preset: best'));
  await page.locator('#field-outputs-0-preset-problem', { hasText: 'there are: archive' }).waitFor();
  await yaml.fill((await yaml.inputValue()).replace('preset: best', 'preset: ours'));
  await page.locator('#field-outputs-0-preset-note', { hasText: 'Ours, for tests.' }).waitFor();
  await page.locator('#problems li').waitFor({ state: 'detached' });
  await yaml.fill((await yaml.inputValue()).replace('crf: 30', 'crf: 28\n        preset: ultrafast') + 'segment: {seconds: 2}\n');
  await page.waitForFunction(() => document.getElementById('field-outputs-0-video-0-preset').value === 'ultrafast');
  await listen(page);
  await page.getByRole('button', { name: 'Start' }).click();

  // Its job is watched to the end.
  await page.locator('.job-head .status[data-colour="done"]').waitFor();
  check(await page.locator('h1', { hasText: name }).count() > 0, 'the name is not shown as it is');
  await page.locator('.node[data-colour="done"] > text', { hasText: /^Finish$/ }).waitFor();
  await page.locator('.node .counts', { hasText: / of / }).first().waitFor();
  await page.locator('.event', { hasText: 'ExecutionSucceeded' }).waitFor();
  await page.getByRole('list', { name: 'Units' }).getByRole('button', { name: 'video/00001' }).waitFor();
  await page.getByRole('list', { name: 'Units' }).getByRole('button', { name: 'video/00000' }).click();
  await page.keyboard.press('ArrowDown');
  check(await page.evaluate(() => document.activeElement.dataset.key) === 'video/00001', 'the arrow keys do not go from unit to unit');
  await page.keyboard.press('Shift+Tab');
  check(await page.evaluate(() => document.activeElement.getAttribute('aria-label')) === 'Units', 'Shift+Tab does not go from a unit to the list');
  await page.keyboard.press('ArrowDown');
  check(await page.evaluate(() => document.activeElement.dataset.key?.startsWith('output/')), 'the arrow keys do not go into the list');
  await page.locator('.unit-detail', { hasText: 'SUCCEEDED' }).waitFor();
  const job = await named(page, 'the page of a job');
  for (const part of [/^(img|image) The graph/, /^(img|image) Grid of the units: .*3 done/, /^(img|image) Timeline of the units, .*3 done/]) {
    check(job.some((n) => part.test(n)), 'the page of a job has no ' + part + ': ' + job.filter((n) => /^(img|image)/.test(n)).join(', '));
  }
  const told = await page.evaluate(() => window.told);
  check(told.some((t) => /live: .*Done/.test(t)) && told.length < 20, 'screen readers are told ' + told.join('; '));

  // Its output is played.
  await page.locator('a.play').click();
  await page.waitForFunction(() => document.querySelector('video')?.readyState >= 2);
  check(await page.evaluate(() => document.querySelector('video').videoWidth) === 160, 'the player shows another film');

  await listen(page);

  // Its keyframes and seams are marked; keys show single frames, and go to keyframes.
  await page.locator('#marked .seam').waitFor();
  const marks = await page.locator('#marked').textContent();
  check(/^[2-9] keyframes[1-9] seams?$/.test(marks), 'marked are ' + marks);
  const shown = (at) => page.waitForFunction((t) => settled && Math.abs(shownAt - t) < 0.001, at, { timeout: 15000, polling: 50 }).catch(() => problems.push('the frame at ' + at + ' is not shown'));
  await page.keyboard.press('Shift+ArrowRight');
  const keyframe = await page.evaluate(() => keyframes[1]);
  await shown(keyframe);
  for (const [key, frames] of [['.', 1], ['.', 2], [',', 1], [',', 0], [',', -1]]) {
    await page.keyboard.press(key);
    await shown(keyframe + frames * 0.04);
  }
  check(await page.evaluate(() => {
    const at = shownAt;
    seen(0, { mediaTime: at + 1, presentationTime: soughtAt - 1 });
    return shownAt === at;
  }), 'a frame from before a step counts after it');
  check(await page.evaluate(async () => {
    const pause = () => new Promise((done) => { setTimeout(done, 400); });
    for (const event of ['seeked', 'seeking']) video.dispatchEvent(new Event(event));
    await pause();
    const early = settled;
    video.dispatchEvent(new Event('seeked'));
    await pause();
    return !early && settled;
  }), 'the end of a seek ends the next one');
  for (const [key, ok, what] of [[' ', () => !video.paused, 'Space'], ['k', () => video.paused, 'K'], ['l', () => !video.paused && video.playbackRate === 1, 'L'],
    ['l', () => video.playbackRate === 2, 'L twice'], ['j', () => video.paused && rewinding === 1, 'J'], ['k', () => !rewinding, 'K after J'], [' ', () => video.paused, 'Space']]) {
    await page.keyboard.press(key);
    await page.waitForFunction(ok, null, { timeout: 10000 }).catch(() => problems.push(what + ' does nothing'));
  }

  // It is compared with its source, by eye and by every frame.
  await page.getByRole('button', { name: 'Compare with the source' }).click();
  await page.waitForFunction(() => source.videoWidth === 160 && Math.abs(source.currentTime - video.currentTime) < 0.02).catch(() => problems.push('the source does not follow'));
  await page.getByRole('slider', { name: /the source/ }).fill('25');
  check(await page.evaluate(() => getComputedStyle(source).clipPath) === 'inset(0px 75% 0px 0px)', 'the slider does not cut the source');
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByText('The output matches its source.').waitFor();
  await page.locator('#checks tr', { hasText: /^goodPSNR/ }).waitFor();
  await page.waitForFunction(() => document.getElementById('plot').naturalWidth > 0);
  await named(page, 'the page of an output');
  const heard = await page.evaluate(() => window.told);
  check(heard.length < 15, 'screen readers are told ' + heard.join('; '));
  const download = await page.evaluate(async () => (await (await fetch(document.getElementById('download').href)).arrayBuffer()).byteLength);
  check(download > 1000, 'the download has ' + download + ' bytes');
  await page.getByRole('link', { name: '← Job' }).click();
  await page.locator('.job-head .status[data-colour="done"]').waitFor();

  // Another job is stopped and redriven.
  const second = await page.evaluate(async () => {
    const { rows } = await (await fetch('/console/older?before=99')).json();
    const text = JSON.stringify({ source: rows[0].source, destination: rows[0].destination + '/second', segment: { seconds: 1 },
      outputs: [{ name: 'slow', container: 'mkv', video: [{ codec: 'h265', preset: 'veryslow' }] }] });
    return (await (await fetch('/console/start', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ text }) })).json()).name;
  });
  await page.getByRole('link', { name: '← Jobs' }).click();
  const row = page.locator('#rows .job', { hasText: second });
  await row.getByRole('button', { name: /^Stop/ }).click();
  await row.locator('.status[data-colour="stopped"]').waitFor();
  check(/^Redrive/.test(await page.evaluate(() => document.activeElement.getAttribute('aria-label'))), 'the focus is lost where a button is replaced');
  await named(page, 'the list');
  await page.locator('#rows .job', { hasText: 'CPU' }).first().waitFor();
  await row.getByRole('button', { name: /^Redrive/ }).click();
  await row.locator('.status', { hasText: 'again' }).waitFor();
  await row.getByRole('button', { name: /^Stop/ }).click();
  await row.locator('.status[data-colour="stopped"]').waitFor();
  await page.getByRole('button', { name: /^Stopped/ }).click();
  await page.locator('#rows .job').nth(1).waitFor({ state: 'detached' }); // the list is drawn with the next frame
  check(await page.locator('#rows .job').count() === 1, 'the filter does not filter');
  await page.getByRole('button', { name: /^All/ }).click();
  await page.getByRole('searchbox').fill('onerror mp4 film');
  check(await page.locator('#rows img').count() === 0, 'a name became markup');
} catch (error) {
  problems.push(String(error));
} finally {
  await context.close();
}
for (const p of problems) console.error(p);
process.exitCode = problems.length > 0 ? 1 : 0;
