/** What is known of the eras of MCP that one server speaks: learnt from its instances, kept until proven wrong. */
import type { McpServer } from '../../config/index.ts';
import type { Era } from '../wire/era.ts';
import { isAnswer } from './instances/instance.ts';

/** The eras of one server. */
export interface KnownEras {
  /** True for an era that the server turned out to lack. */
  lacks(era: Era): boolean;
  /** The server was listed in `era`, after the newest one was tried first where that is safe. */
  listed(era: Era): void;
  /** An instance of the modern era alone did not start, for `error`. */
  modernFailed(error: unknown): void;
}

/** Makes what is known of a server of this kind: nothing yet. */
export function createKnownEras(kind: McpServer['type']): KnownEras {
  const lacking = new Set<Era>();
  let last: Era | undefined;
  return {
    lacks: (era) => lacking.has(era),
    listed(era) {
      last = era;
      lacking.delete(era);
      // At a URL the modern era was asked for first.
      if (era === 'legacy' && kind !== 'stdio') lacking.add('modern');
    },
    modernFailed(error) {
      // A process may end when it is asked in an era that it does not know; a URL answers.
      const saysNo = kind === 'stdio' || isAnswer(error);
      if (saysNo && last !== 'modern') lacking.add('modern');
    },
  };
}
