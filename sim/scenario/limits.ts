/** How far each engine goes. */

/** Nodes that an engine may have: beyond, what it measures is the machine, not the mesh. */
export const NODES_MAX = { inproc: 200, netns: 50, model: 1_000_000 } as const;
/** Longest scenario file, in UTF-16 units. */
export const FILE_MAX = 256 * 1024;
