/** The tool that shows prompts and answers which are kept. */
import { z } from 'zod';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { Transcripts } from '../transcripts/transcripts.ts';
import type { LlmTranscriptsResult } from '../types.ts';

const LIMIT = 20;
const LIMIT_MAX = 200;

/** `llm_transcripts`. */
export function transcriptTool(transcripts: Pick<Transcripts, 'list'>): BuiltinTool {
  return defineTool({
    name: 'llm_transcripts',
    title: 'Show prompts and answers that are kept',
    description:
      'Prompts and answers of the models that models.transcripts of the config file names, the newest first. By pages: `next` of one is `before` of the next one.',
    input: z.object({
      model: z
        .string()
        .min(1)
        .max(300)
        .optional()
        .describe('Only of this one, or of this provider.'),
      before: z.string().min(1).max(64).optional().describe('What `next` of the page before was.'),
      limit: z.number().int().min(1).max(LIMIT_MAX).optional(),
    }),
    hints: { readOnlyHint: true },
    clients: 'no',
    dashboard: false,
    run: ({ before, limit = LIMIT, model }): Promise<LlmTranscriptsResult> =>
      transcripts.list({ before, limit, model }),
  });
}
