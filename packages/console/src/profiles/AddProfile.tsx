import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { client } from '../api/client.ts'
import { notifyDone } from '../ui/failure.ts'
import { TextLink } from '../ui/links.tsx'
import { PageTitle } from '../ui/PageTitle.tsx'
import { newMetricDraft, newProfileDraft } from './draft.ts'
import { ProfileForm } from './ProfileForm.tsx'

export function AddProfile() {
  const navigate = useNavigate()
  const queryClient = useQueryClient()
  const create = useMutation({
    mutationFn: client.profiles.create,
    onSuccess: async ({ id }) => {
      await queryClient.invalidateQueries({ queryKey: ['profiles'] })
      notifyDone(`Profile ${id} was added.`)
      await navigate({ to: '/profiles' })
    },
  })
  return (
    <>
      <PageTitle
        above={<TextLink to="/profiles">Profiles</TextLink>}
        title="Add profile"
        description="Say what this kind of device sends, and what of it is plausible."
      />
      <ProfileForm
        initial={{ ...newProfileDraft, metrics: [newMetricDraft()] }}
        action="Add profile"
        busy={create.isPending}
        error={create.error}
        onSubmit={(input) => create.mutate(input)}
      />
    </>
  )
}
