import { availableParallelism } from 'node:os'
import { files, runAll, type Step, testStep } from './steps.ts'

/**
 * `npm test`: all that must hold before a change is handed in, in the order in which it fails fastest.
 * `npm test -- TEXT…` runs only the test files whose path has one of the texts in it.
 */
const checks: readonly Step[] = [
  {
    name: 'format and lint',
    command: ['biome', 'check', '--error-on-warnings'],
    output: 'whenFailed',
    remedy: 'Most of it is mended by: npm run format',
  },
  {
    name: 'types',
    command: ['tsc', '--noEmit', '-p', '.'],
    output: 'whenFailed',
    remedy: 'Mend the types instead of going round them.',
  },
  {
    name: 'dead code and dependencies',
    command: ['knip', '--no-progress', '--no-config-hints'],
    output: 'whenFailed',
    remedy: 'Delete what is not used, declare what is imported. What knip cannot see is named in knip.jsonc.',
  },
  {
    name: 'what only tests use',
    command: [
      'knip',
      '--production',
      '--no-progress',
      '--no-config-hints',
      '--include',
      'files,exports,types,nsExports,nsTypes',
    ],
    output: 'whenFailed',
    remedy: 'Delete it with its test, or use it. Tests of private parts go through what is public.',
  },
  testStep(
    'import boundaries, tidiness, documentation',
    files('tests/{boundaries,tidiness}/*.test.ts', 'tests/documentation/*.test.ts'),
    { remedy: 'The rules and their reasons: .dependency-cruiser.ts, tests/tidiness, CONTRIBUTING.md.' },
  ),
]

const wanted = process.argv.slice(2)
const tests = files('packages/*/src/**/*.test.ts', 'tests/{regression,e2e,faults,deploy}/**/*.test.ts')

if (wanted.length === 0)
  await runAll([
    ...checks,
    testStep('unit, contract, end-to-end and fault tests', tests, { concurrency: parallel() }),
  ])
else {
  const found = files('packages/*/src/**/*.test.ts', 'tests/**/*.test.ts', 'bench/**/*.test.ts').filter(
    (path) => wanted.some((text) => path.includes(text)),
  )
  if (found.length === 0) {
    console.error(`No test file has ${wanted.join(' or ')} in its path.`)
    process.exit(1)
  }
  await runAll([testStep('tests', found, { concurrency: parallel() })])
}

/** End-to-end tests start servers with threads of their own: more files than cores at a time only wait for each other. */
function parallel(): number {
  return Math.max(2, availableParallelism())
}
