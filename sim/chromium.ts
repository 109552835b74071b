/** A real browser, for the benchmark and the end-to-end tests: the Chromium of the machine. */
import type { Browser } from 'playwright-core';
import { hasProgram } from './has-program.ts';

/** The programs under which distributions have Chromium. */
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];

/** Where Chromium is; undefined where the machine has none. */
export const CHROMIUM = PROGRAMS.map((name) => hasProgram(name)).find((path) => path !== undefined);

/** Starts it without a window; `program` is another one that starts it. */
export async function startBrowser(program = CHROMIUM ?? ''): Promise<Browser> {
  // Only here: who measures something else has no use for it.
  const { chromium } = await import('playwright-core');
  // As root there is no sandbox of its own; what it is shown here is ours.
  return chromium.launch({ executablePath: program, args: ['--no-sandbox'] });
}
