import { Button, Group, Modal, Text, TextInput } from '@mantine/core'
import { type ReactNode, useState } from 'react'

interface ConfirmProps {
  readonly opened: boolean
  readonly title: string
  /** What will happen, and what cannot be undone. */
  readonly children: ReactNode
  readonly action: string
  /** A word that has to be typed first, for what destroys data. */
  readonly typeToConfirm?: string
  readonly busy?: boolean
  readonly onConfirm: () => void
  readonly onClose: () => void
}

/** Asks before something that cannot be undone. */
export function Confirm({ opened, onClose, title, children, ...rest }: ConfirmProps) {
  return (
    <Modal opened={opened} onClose={onClose} title={title} centered>
      <Text size="sm" component="div">
        {children}
      </Text>
      <ConfirmForm onClose={onClose} {...rest} />
    </Modal>
  )
}

type ConfirmFormProps = Omit<ConfirmProps, 'opened' | 'title' | 'children'>

function ConfirmForm({ action, typeToConfirm, busy, onConfirm, onClose }: ConfirmFormProps) {
  const [typed, setTyped] = useState('')
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        onConfirm()
      }}
    >
      {typeToConfirm !== undefined && (
        <TextInput
          mt="md"
          label={`Type ${typeToConfirm} to confirm`}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          autoComplete="off"
          data-autofocus
        />
      )}
      <Group justify="flex-end" mt="lg" gap="xs">
        <Button variant="default" onClick={onClose}>
          Keep it
        </Button>
        <Button
          type="submit"
          color="red"
          loading={busy}
          disabled={typeToConfirm !== undefined && typed !== typeToConfirm}
        >
          {action}
        </Button>
      </Group>
    </form>
  )
}
