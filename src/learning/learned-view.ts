/** What an agent has learned, as statistics show it. Pure. */
import { measuredOf } from './similar.ts';
import { SHOWN_CHARS_MAX, SHOWN_MAX } from './limits.ts';
import type { Known } from './circles.ts';
import type {
  Experience,
  LearnedAgent,
  LearnedExperience,
  LearnedWay,
  LearnedWork,
  Learner,
} from './types.ts';
import { believed, meanCost, meanTime } from './ways.ts';
import type { WayFigures, WorkFigures } from './ways.ts';

/** A thousandth is more than anybody reads. */
const ROUND = 1000;

/** The view; `learner` where the agent learns now. */
export function learnedOf(
  whose: Pick<Learner, 'agent' | 'owner'>,
  all: readonly Known[],
  learner: Learner | undefined,
): LearnedAgent {
  const experiences = all.flatMap(({ circle, experiences: known }) =>
    known.map((experience) => ({ experience, from: circle.sender })),
  );
  const recent = experiences
    .toSorted((one, other) => other.experience.seq - one.experience.seq)
    .slice(0, SHOWN_MAX);
  return {
    agent: whose.agent,
    spawnedBy: whose.owner,
    learns: learner !== undefined,
    works: all
      .flatMap(({ circle }) =>
        Object.entries(circle.works).map(([work, figures]) => workOf(work, circle.sender, figures)),
      )
      .toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1)),
    experiences: {
      count: experiences.length,
      measured: measuredOf(experiences.map(({ experience }) => experience)).length,
      recent: recent.map(({ experience, from }) => shown(experience, from)),
    },
  };
}

/** By work, then by whose it was: the disk and the memory have them in orders of their own. */
function keyOf({ from, work }: LearnedWork): string {
  return JSON.stringify([work, from]);
}

function workOf(work: string, from: string, { deeds, ways }: WorkFigures): LearnedWork {
  return {
    work,
    from: oneLine(from),
    deeds,
    ways: Object.entries(ways).map(([way, figures]) => wayOf(way, figures)),
  };
}

function wayOf(way: string, figures: WayFigures): LearnedWay {
  const { costs, losses, times, tried, wins } = figures;
  return {
    way,
    tried,
    wins: rounded(wins),
    losses: rounded(losses),
    believed: rounded(believed(figures)),
    ...(costs === 0 ? {} : { costMicroUsd: Math.round(meanCost(figures)) }),
    ...(times === 0 ? {} : { ms: Math.round(meanTime(figures)) }),
  };
}

function shown(experience: Experience, from: string): LearnedExperience {
  const { at, by, feedback, id, outcome, reference, situation, way, work, zone } = experience;
  return {
    id,
    ...(reference === undefined ? {} : { reference }),
    from: oneLine(from),
    work,
    ...(way === undefined ? {} : { way }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(feedback === undefined ? {} : { feedback }),
    by,
    zone,
    at: new Date(at).toISOString(),
    situation: situation.slice(0, SHOWN_CHARS_MAX),
  };
}

/** The links of a chain, the one who called first. */
function oneLine(sender: string): string {
  return sender.split('\n').join(' for ');
}

function rounded(value: number): number {
  return Math.round(value * ROUND) / ROUND;
}
