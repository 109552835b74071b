/** The meaning of a resource pattern, written as plainly as possible: the oracle of the tests. */

/** True when `pattern` matches `resource`; both without percent-encoding. */
export function slowMatch(pattern: string, resource: string): boolean {
  const [patternScheme, ...patternPath] = pattern.split(':');
  const [scheme, ...path] = resource.split(':');
  if (patternScheme !== scheme) return false;
  const wanted = path.join(':').split('/');
  const given = patternPath.join(':').split('/');
  if (scheme === 'tool' && wanted[0] === 'starling' && given[0] !== 'starling') return false;
  return matchSegments(given, wanted);
}

function matchSegments(given: readonly string[], wanted: readonly string[]): boolean {
  const [first, ...others] = given;
  if (first === undefined) return wanted.length === 0;
  if (first === '**') return wanted.length > 0;
  const [name, ...names] = wanted;
  return name !== undefined && matchSegment(first, name) && matchSegments(others, names);
}

function matchSegment(glob: string, name: string): boolean {
  if (glob === '') return name === '';
  if (glob.startsWith('*')) {
    return matchSegment(glob.slice(1), name) || (name !== '' && matchSegment(glob, name.slice(1)));
  }
  return glob[0] === name[0] && matchSegment(glob.slice(1), name.slice(1));
}
