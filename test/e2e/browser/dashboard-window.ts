/** The dashboard of a node in a window: how it is opened, and how one goes to its pages. */
import type { Browser } from 'playwright-core';
import { expect } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import { json } from '../support.ts';
import { watched } from './browser.ts';
import type { Watched } from './browser.ts';

/** A link, which is good once. */
export async function linkOf(node: NodeProcess): Promise<string> {
  return (await json<{ readonly url: string }>(node, 'dashboard')).url;
}

/** Opens the dashboard of a node in a window of its own. */
export async function openDashboard(browser: Browser, node: NodeProcess): Promise<Watched> {
  const window = await watched(browser);
  await window.page.goto(await linkOf(node));
  await window.page.getByRole('navigation').waitFor();
  return window;
}

/** Goes to a page of the dashboard, and waits until it shows what the node says. */
export async function show({ page }: Watched, name: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name }).click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
  await expect.poll(() => page.locator('.loading').count()).toBe(0);
}

/** What the menu has, without what is counted there. */
export async function pageNames({ page }: Watched): Promise<readonly string[]> {
  const texts = await page.getByRole('navigation').getByRole('link').allInnerTexts();
  return texts.map((text) => text.replace(/\s*\d+$/, ''));
}
