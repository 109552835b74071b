/**
 * What is wrong with the log, as the node tells it: the disk that fails, checkpoints that are not
 * saved, entries that are lost, damage that was found. Keeps the words; `log.ts` decides.
 */
import { StarlingError, diskText, diskTroubleOf, messageOf } from '../core/index.ts';
import type { Clock, Health, Logger } from '../core/index.ts';
import type { RecoveryNote } from './segments/recover.ts';

const UNWRITABLE = 'audit-unwritable';
const UNSAVED = 'audit-unsaved';
const DAMAGED = 'audit-damaged';
const LOST = 'audit-lost';

/** The state of the log's disk, and what was lost by it. */
export interface LogHealth {
  /** What callers are refused with while the disk fails; undefined while it works. */
  readonly failure: StarlingError | undefined;
  /** Writing or syncing failed. Returns what callers are refused with. */
  failed(error: unknown): StarlingError;
  /** For how long the disk has failed, s. */
  failingForS(): number;
  /** The disk works again. */
  recovered(): void;
  /** The log was stopped: whether its disk fails is not known any more. */
  reset(): void;
  /** A checkpoint is not on disk, or is again. */
  checkpointUnsaved(error: unknown): void;
  checkpointSaved(): void;
  /** A note found no room. The warning stays until the node is started again: what is lost stays lost. */
  lost(): void;
  /** How many lost notes no entry tells of yet; from then on the caller tells of them. */
  takeUntold(): number;
  /** Something was found when the log was opened. */
  found(note: RecoveryNote): void;
}

/** Makes the health of the log in `folder`. */
export function createLogHealth(components: {
  readonly folder: string;
  readonly clock: Clock;
  readonly health: Health;
  readonly logger: Logger;
}): LogHealth {
  return new Troubles(components);
}

class Troubles implements LogHealth {
  readonly #components: Parameters<typeof createLogHealth>[0];
  #failure: { readonly error: StarlingError; readonly sinceMs: number } | undefined;
  #lost = 0;
  #untold = 0;

  constructor(components: Parameters<typeof createLogHealth>[0]) {
    this.#components = components;
  }

  get failure(): StarlingError | undefined {
    return this.#failure?.error;
  }

  failed(error: unknown): StarlingError {
    const { clock, folder, health, logger } = this.#components;
    const trouble = diskTroubleOf(error);
    const hint = trouble?.hint ?? 'free space on its disk, or check its permissions';
    const refusal = new StarlingError(
      'STARLING_AUDIT_UNAVAILABLE',
      `the audit log in ${folder} can't be written: ${diskText(error)}`,
      { hint, cause: error },
    );
    if (this.#failure === undefined) logger.error({ error: messageOf(error) }, 'audit log fails');
    this.#failure = { error: refusal, sinceMs: this.#failure?.sinceMs ?? clock.now() };
    health.raise({
      code: UNWRITABLE,
      text: `${refusal.message}; calls are refused`,
      hint: `${hint}; the node goes on by itself then`,
    });
    return refusal;
  }

  failingForS(): number {
    const now = this.#components.clock.now();
    return Math.round((now - (this.#failure?.sinceMs ?? now)) / 1000);
  }

  recovered(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#components.health.clear(UNWRITABLE);
  }

  reset(): void {
    this.#failure = undefined;
  }

  checkpointUnsaved(error: unknown): void {
    const { health, logger } = this.#components;
    logger.error({ error: messageOf(error) }, 'audit log: checkpoint not saved');
    health.raise({
      code: UNSAVED,
      text: `checkpoints of the audit log can't be saved: ${messageOf(error)}`,
      hint: 'free space on the disk of the state folder',
    });
  }

  checkpointSaved(): void {
    this.#components.health.clear(UNSAVED);
  }

  lost(): void {
    const { folder, health, logger } = this.#components;
    this.#lost += 1;
    this.#untold += 1;
    if (this.#untold === 1) {
      logger.error({ folder }, 'audit log: entries find no room and are lost');
    }
    health.raise({
      code: LOST,
      text: `the audit log lacks ${this.#lost} entries, which could not be written in time; nothing that was allowed is among them`,
      hint: 'see when: starling audit query --what audit/lost',
    });
  }

  takeUntold(): number {
    const untold = this.#untold;
    this.#untold = 0;
    return untold;
  }

  found({ ability, file, reason }: RecoveryNote): void {
    const { health, logger } = this.#components;
    logger.warn({ file, reason }, ability);
    if (ability !== 'audit/damaged') return;
    const text = `audit log, ${file}: ${reason}`;
    health.raise({ code: DAMAGED, text, hint: 'see what is missing: starling audit verify' });
  }
}
