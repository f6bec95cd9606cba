import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { longFiles, longFunctions } from './exceptions.ts'
import { filesUnder, repository } from './files.ts'
import { measureFunctions } from './functions.ts'

const fileLinesMax = 350
/** Tests are read one at a time. */
const testLinesMax = 500
const functionLinesMax = 60

const binary = /\.(png|ico|woff2?|gz|parquet|duckdb|jpg)$/
const generated = /^package-lock\.json$|^docs\/reference\/.*\.json$/
const files = filesUnder()
  .filter((path) => !binary.test(path))
  .map((path) => ({ path, text: readFileSync(join(repository, path), 'utf8') }))
const code = files.filter(({ path }) => /\.(ts|tsx|js|mjs)$/.test(path) && !path.includes('/planted/'))
const tests = code.filter(({ path }) => /\.(test|contract)\./.test(path))

/** `path:line: text` of each line that matches. Patterns are written so that they do not match themselves. */
function linesWith(pattern: RegExp, among: readonly { path: string; text: string }[]): string[] {
  return among.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 100)}`] : [],
      ),
  )
}

const none = (found: readonly string[], remedy: string) => assert.deepEqual(found, [], remedy)

test('there is something to look at', () => {
  assert.ok(code.length > 100 && tests.length > 20, `${code.length} files of code, ${tests.length} of tests`)
})

test('nothing is left to be done later', () => {
  none(linesWith(/\b(FIX[M]E|TO[D]O|XX[X]|HA[C]K)\b/, files), 'Do it, or write an issue')
})

test('files are not too long', () => {
  const lines = (text: string) => text.split('\n').length - 1
  const most = (path: string) =>
    longFiles[path] ?? (/[.](test|contract|faults)[.]/.test(path) ? testLinesMax : fileLinesMax)
  const long = code.filter(({ path, text }) => lines(text) > most(path))
  none(
    long.map(({ path, text }) => `${path}: ${lines(text)} lines`),
    `More than ${fileLinesMax} lines: part it by what it is about`,
  )
  const shrunk = Object.keys(longFiles).filter((path) => {
    const now = lines(code.find((file) => file.path === path)?.text ?? '')
    return now <= fileLinesMax || now < longFiles[path]!
  })
  none(shrunk, 'Shorter than tests/tidiness/exceptions.ts says: lower the number there, or remove the line')
})

test('functions are not too long', () => {
  const measured = code
    .filter(({ path }) => !path.includes('/dist/'))
    .flatMap(({ path, text }) =>
      measureFunctions(path, text).map((one) => ({ ...one, key: `${path}: ${one.name}`, path })),
    )
  const long = measured.filter(({ key, ownLines }) => ownLines > (longFunctions[key] ?? functionLinesMax))
  none(
    long.map(({ path, name, firstLine, ownLines }) => `${path}:${firstLine}: ${name}: ${ownLines} lines`),
    `More than ${functionLinesMax} lines of its own: take a step with a name out of it`,
  )
  const shrunk = Object.entries(longFunctions).filter(([key, allowed]) => {
    const now = Math.max(0, ...measured.filter((one) => one.key === key).map(({ ownLines }) => ownLines))
    return now <= functionLinesMax || now < allowed
  })
  none(
    shrunk.map(([key]) => key),
    'Shorter than tests/tidiness/exceptions.ts says: lower the number there, or remove the line',
  )
})

test('lines of functions are counted without those of functions inside', () => {
  const source = [
    '// é',
    'function outer() {',
    '  const inner = () => {',
    '    one()',
    '  }',
    '  inner()',
    '}',
  ]
  assert.deepEqual(measureFunctions('x.ts', source.join('\n')), [
    { name: 'inner', firstLine: 3, ownLines: 3 },
    { name: 'outer', firstLine: 2, ownLines: 4 },
  ])
})

test('nothing names the machine it was written on', () => {
  const paths = /(^|[\s"'`(=:])\/(work|root|home\/[a-z]+|Users\/[A-Za-z]+|tmp\/[a-z]+)\//
  none(linesWith(paths, files), 'Use a path that everybody has')
})

test('nothing names a package registry', () => {
  const hosts = /https?:\/\/[^/\s"]*\b(registry|artifactory|nexus|verdaccio|npm-?proxy|mirror)\b/i
  none(linesWith(hosts, files), 'npm is told its registry by each machine')
  const lock = files.find(({ path }) => path === 'package-lock.json')!
  none(linesWith(/"resolved": "http/, [lock]), 'Run: npm install --omit-lockfile-registry-resolved')
})

test('no private key and no token is kept here', () => {
  const begin = ['-----BEGIN', '(EC |RSA |)PRIVATE KEY-----'].join(' ')
  none(linesWith(new RegExp(begin), files), 'Make it when it is needed')
})

test('no test is alone, left out or put off without a reason', () => {
  none(
    linesWith(/\b(test|it|describe|suite)\.(only|skip|todo)\b|\bonly: true/, tests),
    'Run one file by its path',
  )
  none(linesWith(/\bskip: true\b|\.(skip|todo)\(\)/, tests), 'Say why, in a string')
})

test('every test file tests', () => {
  const empty = tests.filter(
    ({ path, text }) =>
      path.includes('.test.') && !/\b(test|it|Contract|contract)\(|Contract\w*\(/.test(text),
  )
  none(
    empty.map(({ path }) => path),
    'Delete it, or write the test',
  )
})

test('types are not got round', () => {
  const suppress = /@ts-(ignore|nocheck)|@ts-expect-error(?! \S+ \S+)/
  none(
    linesWith(
      suppress,
      code.filter(({ path }) => !path.startsWith('tests/tidiness/')),
    ),
    'Mend the type',
  )
})

test('files and folders are named after what they are about', () => {
  const vague = /(^|\/)(utils?|helpers?|common|misc|shared|manager)([./-]|$)|[.-](utils?|helpers?)\./
  none(
    files.map(({ path }) => path).filter((path) => vague.test(path)),
    'Which thing of the field is it?',
  )
  const spelled = /^[a-z0-9.-]+$/
  const names = code.map(({ path }) => path).filter((path) => !path.startsWith('packages/console/'))
  none(
    names.filter((path) => !spelled.test(path.split('/').at(-1)!)),
    'File names are lower case, words parted by hyphens',
  )
})

test('generated files are those that say so', () => {
  assert.ok(files.some(({ path }) => generated.test(path)))
  const pages = files.filter(
    ({ path, text }) => path.startsWith('docs/') && text.startsWith('<!-- Generated'),
  )
  assert.ok(pages.length >= 3)
})
