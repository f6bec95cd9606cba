import { ActionIcon, Box, Code, CopyButton, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import classes from './Copy.module.css'

interface CopyBlockProps {
  readonly text: string
  /** What the text is. */
  readonly label: string
  /** Whether the text stands in columns, which scroll and are not wrapped. */
  readonly columns?: boolean
}

/** A text to take away, such as a command or a token, with a button that copies it. */
export function CopyBlock({ text, label, columns = false }: CopyBlockProps) {
  return (
    <Box className={classes.block}>
      <Code block className={classes.code} mod={{ columns }} tabIndex={0} aria-label={label}>
        {text}
      </Code>
      <CopyButton value={text} timeout={1_500}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? 'Copied' : 'Copy'} position="left">
            <ActionIcon
              className={classes.button}
              variant="default"
              onClick={copy}
              aria-label={`Copy: ${label}`}
              c={copied ? 'teal' : undefined}
            >
              {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Box>
  )
}
