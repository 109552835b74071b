/** What the page knows of its connection, and how a page of it keeps what it shows fresh. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { CutError, OverError, ask } from './mcp.ts';
import type { Data } from './mcp.ts';

/** How the page stands with the node. */
export type Connection =
  | { readonly state: 'live' }
  /** Since when nothing comes, ms since the epoch. */
  | { readonly state: 'cut'; readonly since: number }
  | { readonly state: 'over' };

/** The wait after a failure, doubled by each further one. */
const RETRY_MS = 500;
const RETRY_MAX_MS = 5000;
/** Nothing more comes after so long without a key. */
const PAUSE_MS = 400;

let connection: Connection = { state: 'live' };
const listeners = new Set<() => void>();

function set(next: Connection): void {
  if (next.state === connection.state) return;
  connection = next;
  for (const listener of listeners) listener();
}

/** The connection, and every change of it. */
export function useConnection(): Connection {
  const [, draw] = useState(0);
  useEffect(() => {
    const listener = (): void => draw((count) => count + 1);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return connection;
}

/** Notes what a failure says of the connection; true where that is all that it says. */
export function noteFailure(error: unknown): boolean {
  if (error instanceof OverError) set({ state: 'over' });
  else if (error instanceof CutError) set({ state: 'cut', since: Date.now() });
  else return false;
  return true;
}

/** The page ends by itself. */
export function noteOver(): void {
  set({ state: 'over' });
}

/** What a tool says, asked again and again. */
export interface Live<T> {
  /** The last answer; undefined before the first. */
  readonly data: T | undefined;
  /** Why the last answer is none. */
  readonly error: Error | undefined;
  /** Asks at once. */
  readonly refresh: () => void;
}

/** Asks a tool of the node every `everyMs`, while the page can be seen; 0 asks once. */
export function useLive<T>(tool: string, args: Data = {}, everyMs = 2000): Live<T> {
  return useAnswers(JSON.stringify([tool, args]), () => ask<T>(tool, args), everyMs);
}

/** Asks what `question` asks, as {@link useLive} does; another question has another `key`. */
export function useAnswers<T>(key: string, question: () => Promise<T>, everyMs: number): Live<T> {
  const [answer, setAnswer] = useState<{ key: string; data?: T; error?: Error }>({ key });
  const again = useRef<() => void>(() => undefined);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    let isGone = false;
    let isAsking = false;
    const look = async (): Promise<void> => {
      if (isAsking || isGone) return;
      isAsking = true;
      clearTimeout(timer);
      const wait = document.hidden ? undefined : await once();
      isAsking = false;
      if (!isGone && wait !== undefined && wait > 0) timer = setTimeout(seen, wait);
    };
    /** Asks, and gives after how many ms to ask again. */
    const once = async (): Promise<number> => {
      try {
        const data = await question();
        failures = 0;
        set({ state: 'live' });
        if (!isGone) setAnswer({ key, data });
        return everyMs;
      } catch (error) {
        failures += 1;
        const isCut = noteFailure(error);
        if (connection.state === 'over') return 0;
        if (!isGone && !isCut && error instanceof Error) {
          setAnswer((before) => ({ ...(before.key === key ? before : { key }), error }));
        }
        return Math.min(RETRY_MS * 2 ** failures, RETRY_MAX_MS);
      }
    };
    const seen = (): void => {
      look().catch(reportError);
    };
    again.current = seen;
    document.addEventListener('visibilitychange', seen);
    seen();
    return () => {
      isGone = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [key, everyMs]);
  const refresh = useCallback(() => again.current(), []);
  const isOwn = answer.key === key;
  return {
    data: isOwn ? answer.data : undefined,
    error: isOwn ? answer.error : undefined,
    refresh,
  };
}

/** What a person types, once they pause: each letter would be a question of its own to the node. */
export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
