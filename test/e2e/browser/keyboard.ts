/** A page used by the keys alone, as by somebody who has no mouse (WCAG 2.2, success criteria 2.1.1, 2.4.7 and 2.4.11). */
import type { Watched } from './browser.ts';

/** Steps that lead to anything that is near the top of a page. */
const STEPS_MAX = 60;

/** Runs in the page: has each place noted that the focus comes to, and gives how many there are. */
const BEGIN = `(() => {
  const top = document.querySelector('dialog[open]') ?? document.body;
  const usable = [...top.querySelectorAll('a[href], button:not(:disabled), input, select, textarea, summary, [tabindex="0"]')]
    .filter((element) => element.getClientRects().length > 0);
  const seen = new Map();
  const nameOf = (element) => element.tagName.toLowerCase() + ' ' + (element.getAttribute('aria-label') ?? element.textContent.trim()).slice(0, 60);
  const look = ({ target }) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(target);
    const { left, right, top: above, bottom } = target.getBoundingClientRect();
    const x = Math.max(0, Math.min(innerWidth - 1, (left + right) / 2));
    const y = Math.max(0, Math.min(innerHeight - 1, (above + bottom) / 2));
    const at = document.elementFromPoint(x, y);
    const isSeen = at !== null && (target.contains(at) || at.contains(target));
    const hasMark = outlineStyle !== 'none' && parseFloat(outlineWidth) > 0;
    seen.set(target, isSeen && hasMark ? '' : (hasMark ? 'behind something: ' : 'without a mark: ') + nameOf(target));
  };
  document.addEventListener('focusin', look);
  globalThis.walked = () => {
    document.removeEventListener('focusin', look);
    const missed = usable.filter((element) => element.isConnected && !element.disabled && !seen.has(element));
    return [...missed.map((element) => 'not reached: ' + nameOf(element)), ...[...seen.values()].filter((fault) => fault !== '')];
  };
  return usable.length;
})()`;

/** What is there when a page was loaded: the next Tab leads to the first thing of it. */
const TO_THE_TOP = `(() => {
  const top = document.querySelector('dialog[open]') ?? document.body;
  const had = top.getAttribute('tabindex');
  top.tabIndex = -1;
  top.focus();
  if (had === null) top.removeAttribute('tabindex');
  scrollTo(0, 0);
})()`;

/** Leaves the focus nowhere, before all that can have it. */
export async function fromTheTop({ page }: Watched): Promise<void> {
  await page.evaluate(TO_THE_TOP);
}

/** Goes through the page by Tab: what can't be reached, or is not seen when it is. */
export async function faultsByTab({ page }: Watched): Promise<readonly string[]> {
  await page.evaluate(TO_THE_TOP);
  const count = await page.evaluate<number>(BEGIN);
  // The page may have got some more meanwhile.
  for (let step = 0; step < count + 5; step += 1) await page.keyboard.press('Tab');
  return page.evaluate<readonly string[]>('walked()');
}

/** Presses Tab from where the focus is until it is on what is called `name`. @throws where that does not come */
export async function tabTo({ page }: Watched, name: RegExp): Promise<void> {
  for (let step = 0; step < STEPS_MAX; step += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate<string>(
      "document.activeElement.getAttribute('aria-label') ?? (document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()",
    );
    if (name.test(at)) return;
  }
  throw new Error(`${STEPS_MAX} times Tab have not led to ${String(name)}`);
}
