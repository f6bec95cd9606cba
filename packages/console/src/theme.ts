import { createTheme } from '@mantine/core'

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
})
