/** Experiences that are like what an agent is asked now: BM25 over what was asked, and quoted for a model. */
import MiniSearch from 'minisearch';
import { printable, searchWords, stemOf } from '../core/index.ts';
import { leastTrusted } from '../guard/index.ts';
import { REMINDED_CHARS_MAX, REMINDED_MAX, REMINDED_PARTS } from './limits.ts';
import type { Evidence, Experience, Reminder } from './types.ts';

/** Words of one text that are looked at: a long one costs no more. */
const WORDS_MAX = 64;
/** Words that two texts must share, where the one that is asked has as many: one alone is chance. */
const SHARED_MIN = 2;

const MEASURED: Readonly<Record<Exclude<Evidence, 'answered'>, string>> = {
  check: 'as a check said',
  vote: 'as a vote said',
  sender: 'as whoever had asked said',
  person: 'as a person said',
};

/** The experiences whose outcome was measured, by more than that there was an answer. */
export function measuredOf(experiences: readonly Experience[]): readonly Experience[] {
  return experiences.filter(
    ({ by, outcome }) => outcome !== undefined && by.some((one) => one !== 'answered'),
  );
}

/** Those of `experiences` that are like `situation`, the most like first; of two alike the newer first. */
export function experiencesLike(
  experiences: readonly Experience[],
  situation: string,
): readonly Experience[] {
  const index = new MiniSearch<{ id: string; situation: string }>({
    fields: ['situation'],
    tokenize: (text) => searchWords(text, WORDS_MAX),
    processTerm: (word) => stemOf(word),
  });
  const byId = new Map(experiences.map((one) => [one.id, one]));
  index.addAll([...byId.values()].map(({ id, situation: asked }) => ({ id, situation: asked })));
  const words = new Set(searchWords(situation, WORDS_MAX).map((word) => stemOf(word)));
  const least = Math.min(SHARED_MIN, words.size);
  return index
    .search(situation)
    .filter(({ queryTerms }) => new Set(queryTerms).size >= least)
    .flatMap(({ id, score }) => {
      const experience = byId.get(String(id));
      return experience === undefined ? [] : [{ experience, score }];
    })
    .toSorted((one, other) => other.score - one.score || other.experience.seq - one.experience.seq)
    .map(({ experience }) => experience);
}

/** What a model is reminded of by at most `most` of `experiences`, as one text; undefined of none. */
export function reminderOf(experiences: readonly Experience[], most: number): Reminder | undefined {
  const shown: { readonly text: string; readonly experience: Experience }[] = [];
  const seen = new Set<string>();
  let left = REMINDED_CHARS_MAX;
  for (const experience of experiences) {
    if (shown.length >= Math.min(most, REMINDED_MAX)) break;
    // The same question with the same end says nothing more.
    const key = JSON.stringify([experience.situation, experience.outcome]);
    if (seen.has(key)) continue;
    seen.add(key);
    const text = quoted(experience);
    if (text.length > left) break;
    left -= text.length;
    shown.push({ text, experience });
  }
  if (shown.length === 0) return undefined;
  return {
    text: shown.map(({ text }, at) => `${at + 1}. ${text}`).join('\n'),
    zone: leastTrusted(shown.map(({ experience }) => experience.zone)) ?? 'local',
    ids: shown.map(({ experience }) => experience.id),
  };
}

function quoted({ action, by, feedback, outcome, situation }: Experience): string {
  const last = by.findLast((one) => one !== 'answered');
  const who = last === undefined ? '' : `, ${MEASURED[last]}`;
  const lines = [
    `Asked: ${part(situation, REMINDED_PARTS.situation)}`,
    `   Answered: ${part(action, REMINDED_PARTS.action)}`,
    `   Came of it: ${outcome ?? 'nobody knows'}${who}`,
  ];
  const said =
    feedback === undefined ? [] : [`   Said of it: ${part(feedback, REMINDED_PARTS.feedback)}`];
  return [...lines, ...said].join('\n');
}

/** On one line, so that no text can look like a line of ours. */
function part(text: string, most: number): string {
  return printable(text.replaceAll(/\s+/g, ' ').trim(), most);
}
