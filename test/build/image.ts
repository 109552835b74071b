/** What `config/container/Containerfile` says of the image. */
import { readFile } from 'node:fs/promises';

/** The instructions of the file that a running image follows. */
export interface Image {
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly folder: string;
  readonly volume: string;
  readonly health: readonly string[];
  /** ENTRYPOINT and CMD. */
  readonly command: readonly string[];
  readonly stopSignal: string;
}

/** Reads the file, whose lists are JSON, as the reference of the format has it. */
export async function readImage(path: string): Promise<Image> {
  const text = (await readFile(path, 'utf8')).replaceAll(/\\\n/g, ' ');
  const all = [...text.matchAll(/^([A-Z]+) +(.+)$/gm)].map(([, word = '', rest = '']) => ({
    word,
    rest,
  }));
  const last = (word: string): string => all.findLast((one) => one.word === word)?.rest ?? '';
  const list = (rest: string): readonly string[] =>
    JSON.parse(rest.slice(rest.indexOf('['))) as readonly string[];
  const env = all.filter(({ word }) => word === 'ENV').map(({ rest }) => rest.split('=', 2));
  return {
    env: Object.fromEntries(env) as Record<string, string>,
    user: last('USER'),
    folder: last('WORKDIR'),
    volume: list(last('VOLUME'))[0] ?? '',
    health: list(last('HEALTHCHECK')),
    command: [...list(last('ENTRYPOINT')), ...list(last('CMD'))],
    stopSignal: last('STOPSIGNAL'),
  };
}
