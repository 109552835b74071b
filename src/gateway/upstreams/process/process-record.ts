/**
 * Processes of this node, on record in its state folder: a node that is killed can't end them, so the next
 * start does. One that ends in a hurry, as by a second Ctrl-C, ends them itself. A number is used again, so
 * that each is noted with the time of its start, and with the mark that all carry whom it has started.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, pause } from '../../../core/index.ts';
import type { Clock, Logger } from '../../../core/index.ts';
import { isMarkAlive, signalGroup, signalMarked } from './process-group.ts';
import { startTimeOf } from './start-process.ts';

/** What it works with. */
export interface ChildrenComponents {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The record. */
export interface Children {
  /**
   * Notes a process that has just been started, and the mark of all that it starts; returns how to strike it
   * off. Never throws.
   */
  note(this: void, pid: number, mark?: string): () => void;
  /** Ends the processes that an earlier node has left, with all that they started. Never throws. */
  endLeftovers(): Promise<void>;
}

/** How often is looked whether they have. */
const LOOK_MS = 50;
/** How long what was left has to end by itself after SIGTERM; then it is killed. */
const GRACE_MS = 2000;
const NUMBER = /^[1-9]\d{0,9}$/;

/** Makes the record in `folder`, which only the node's user may enter. */
export function createChildren(
  { clock, logger }: ChildrenComponents,
  { folder }: { readonly folder: string },
): Children {
  const forget = (pid: number): void => {
    try {
      rmSync(join(folder, String(pid)), { force: true });
    } catch (error) {
      // The next start sees that the process is gone.
      logger.debug({ pid, error: messageOf(error) }, 'a process was not struck off');
    }
  };
  const running = new Map<number, Noted>();
  /** The last moment of this process: nothing but synchronous work is done any more. */
  const endAll = (): void => {
    for (const one of running.values()) tell(one, 'SIGKILL', logger);
  };
  const follow = (noted: Noted): void => {
    if (running.size === 0) process.on('exit', endAll);
    running.set(noted.pid, noted);
  };
  const leave = (pid: number): void => {
    running.delete(pid);
    if (running.size === 0) process.off('exit', endAll);
    forget(pid);
  };
  const gone = async (left: readonly Noted[]): Promise<void> => {
    const end = clock.now() + GRACE_MS;
    while (left.some(lives) && clock.now() < end) {
      await pause(clock, LOOK_MS);
    }
  };
  return {
    note(pid, mark) {
      try {
        const startedAt = startTimeOf(pid);
        if (startedAt === undefined) return () => undefined;
        follow({ pid, startedAt, mark });
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        // Synchronous: a node that is killed a moment later has noted the process.
        const lines = mark === undefined ? startedAt : `${startedAt}\n${mark}`;
        writeFileSync(join(folder, String(pid)), lines, { mode: 0o600 });
      } catch (error) {
        logger.warn({ pid, error: messageOf(error) }, 'a process could not be noted');
      }
      return () => leave(pid);
    },
    async endLeftovers() {
      const noted = notedIn(folder);
      const left = noted.filter(lives);
      if (left.length > 0) {
        logger.warn(
          { pids: left.map(({ pid }) => pid) },
          'ending processes of a node that was killed',
        );
        for (const one of left) tell(one, 'SIGTERM', logger);
        await gone(left);
        for (const one of left) tell(one, 'SIGKILL', logger);
      }
      for (const { pid } of noted) forget(pid);
    },
  };
}

interface Noted {
  readonly pid: number;
  readonly startedAt: string;
  /** Absent for a process in its sandbox, and in notes of older nodes. */
  readonly mark: string | undefined;
}

function leads({ pid, startedAt }: Noted): boolean {
  return startTimeOf(pid) === startedAt;
}

function lives(noted: Noted): boolean {
  return leads(noted) || (noted.mark !== undefined && isMarkAlive(noted.mark));
}

/** Signals a process with its group, and all that it started. Never throws. */
function tell(noted: Noted, signal: NodeJS.Signals, logger: Logger): void {
  if (noted.mark !== undefined) signalMarked(noted.mark, signal);
  if (!leads(noted)) return;
  try {
    signalGroup(noted.pid, signal);
  } catch (error) {
    logger.debug({ pid: noted.pid, error: messageOf(error) }, 'a left process is gone');
  }
}

function notedIn(folder: string): readonly Noted[] {
  try {
    return readdirSync(folder)
      .filter((name) => NUMBER.test(name))
      .map((name) => {
        const [startedAt = '', mark] = readFileSync(join(folder, name), 'utf8').split('\n');
        return { pid: Number(name), startedAt, mark: isMark(mark) ? mark : undefined };
      });
  } catch {
    // No server was ever started here, or what is noted can't be read.
    return [];
  }
}

/** What is long and random enough that no other process has it by chance. */
function isMark(text: string | undefined): text is string {
  return text !== undefined && /^[0-9a-f-]{36}$/.test(text);
}
