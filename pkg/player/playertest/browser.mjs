// Starts headless Chromium for the programs beside it, as the JSON that they are given says.
import { createRequire } from 'node:module';

export const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(options.modules + '/')('playwright-core');

export const context = await chromium.launchPersistentContext(options.profile, {
  executablePath: options.chromium,
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--mute-audio', '--disable-dev-shm-usage'],
});
