/** Jobs of which a few go on at once, each at a place that no other one has meanwhile. */

/** Does `work` for each of `jobs`, so many at once; gives the results in the order of the jobs. Rejects with the first failure. */
export async function sideBySide<Job, Result>(
  jobs: readonly Job[],
  atOnce: number,
  work: (job: Job, place: number) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const left = [...jobs.entries()];
  const workAt = async (place: number): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [at, job] = next;
      results[at] = await work(job, place);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, place) => workAt(place)));
  return results;
}
