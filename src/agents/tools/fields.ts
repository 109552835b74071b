/** Fields that several tools of agents have. */
import { z } from 'zod';

/** Some name or id. */
export const label = (description: string): z.ZodString =>
  z.string().min(1).max(128).describe(description);
/** Whom a call is about. */
export const agentId = label('The agent: <name>, <name>@<node>, or its id.');
/** An agent of the caller. */
export const own = label('The name of the agent, which the caller has announced.');
/** The documents' swarm. */
export const swarmId = z
  .string()
  .max(128)
  .optional()
  .describe('Taken and not used: agents have one name space.');
/** A short text. */
export const text = z.string().max(256);
