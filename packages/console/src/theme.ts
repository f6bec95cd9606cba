import { type CSSVariablesResolver, createTheme } from '@mantine/core'

export const theme = createTheme({
  primaryColor: 'drover',
  primaryShade: 8,
  colors: {
    drover: [
      '#e9f7f4',
      '#d3ece7',
      '#a6d9cf',
      '#76c5b5',
      '#4fb4a0',
      '#36aa92',
      '#26a58b',
      '#169079',
      '#03806b',
      '#006f5b',
    ],
  },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  headings: { fontWeight: '600' },
  defaultRadius: 'md',
  cursorType: 'pointer',
  focusRing: 'auto',
  respectReducedMotion: true,
  components: { Modal: { styles: { title: { fontWeight: 600 } } } },
})

/** Tinted surfaces that stay calm on both grounds; Mantine's own are loud on the dark one. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#5c6670',
    ...tints({
      drover: ['3 128 107', '#03705e'],
      orange: ['232 89 12', '#c2410c'],
      red: ['224 49 49', '#c92a2a'],
    }),
  },
  dark: {
    '--mantine-color-dimmed': '#a3adb5',
    ...tints({
      drover: ['79 180 160', '#76c5b5'],
      orange: ['255 146 43', '#ffa94d'],
      red: ['255 107 107', '#ff8787'],
    }),
  },
})

function tints(
  colors: Readonly<Record<string, readonly [channels: string, text: string]>>,
): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const [name, [channels, text]] of Object.entries(colors)) {
    variables[`--mantine-color-${name}-light`] = `rgb(${channels} / 11%)`
    variables[`--mantine-color-${name}-light-hover`] = `rgb(${channels} / 17%)`
    variables[`--mantine-color-${name}-light-color`] = text
  }
  return variables
}
