/**
 * What a page loses where it is enlarged to 400 %: a window of 1280 by 1024 then has 320 by 256 CSS pixels (WCAG 2.2, success
 * criterion 1.4.10).
 */
import type { Watched } from './browser.ts';

const ENLARGED = { width: 320, height: 256 };
const USUAL = { width: 1280, height: 720 };

/** Runs in the page, whose names nobody knows here. */
const LOST = `(() => {
  const lost = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) lost.push('(the page scrolls sideways)');
  const nameOf = (element) => element.tagName.toLowerCase() + ' ' + element.textContent.trim().slice(0, 60);
  for (const element of document.querySelectorAll('body *')) {
    if (element.closest('svg, input, select') !== null || element.getClientRects().length === 0) continue;
    const { overflowX, overflowY } = getComputedStyle(element);
    if (overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1) lost.push('cut at its side: ' + nameOf(element));
    // What is shown in part is whole one press away: such a text says so by its class.
    const isCut = overflowY === 'hidden' && element.scrollHeight > element.clientHeight + 1;
    if (isCut && !element.classList.contains('clip')) lost.push('cut below: ' + nameOf(element));
  }
  for (const text of document.querySelectorAll('svg text')) {
    const own = text.getBoundingClientRect();
    const picture = text.closest('svg').getBoundingClientRect();
    if (own.left < picture.left - 1 || own.right > picture.right + 1) lost.push('outside of its picture: ' + text.textContent);
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text !== null; text = texts.nextNode()) {
    if (text.textContent.trim() === '' || text.parentElement.closest('.skip') !== null) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    const rects = [...range.getClientRects()].filter((rect) => rect.width > 0);
    if (rects.some(({ left, right }) => left < -1 || right > width + 1)) lost.push('outside: ' + text.textContent.slice(0, 60));
  }
  return [...new Set(lost)];
})()`;

/** Does `work` while the window is enlarged. */
export async function enlarged({ page }: Watched, work: () => Promise<void>): Promise<void> {
  await page.setViewportSize(ENLARGED);
  try {
    await work();
  } finally {
    await page.setViewportSize(USUAL);
  }
}

/** What is cut or outside of the window now, and whether one has to scroll sideways. */
export function lostIn({ page }: Watched): Promise<readonly string[]> {
  return page.evaluate<readonly string[]>(LOST);
}
