"""Agent Skills: the four that Anthropic ships and those a workspace uploads, with their versions."""

from collections.abc import Sequence
from datetime import UTC, datetime

from planner.simulator.canonical import Json
from planner.simulator.containers import timestamp
from planner.simulator.errors import invalid, not_found
from planner.simulator.files import Upload
from planner.simulator.ids import RequestIds

ANTHROPIC = {"pptx": "PowerPoint", "xlsx": "Excel", "docx": "Word", "pdf": "PDF"}
SHIPPED_VERSION = "20251013"
SHIPPED_AT = datetime(2025, 10, 13, tzinfo=UTC)
MAX_SKILLS = 20
LATEST = "latest"


class Skill:
    """A skill and its versions, oldest first."""

    def __init__(self, skill_id: str, workspace: str | None, name: str, created: datetime) -> None:
        self.id = skill_id
        self.workspace = workspace
        self.name = name
        self.created = created
        self.versions: dict[str, Json] = {}

    @property
    def source(self) -> str:
        """`custom` or `anthropic`."""
        return "anthropic" if self.workspace is None else "custom"

    @property
    def latest(self) -> str:
        """The id of the newest version."""
        return next(reversed(self.versions), "")

    def value(self, *, new: bool) -> Json:
        """The `Skill` object, in the shape of the API version asked for."""
        updated = self.versions[self.latest]["created_at"] if self.versions else timestamp(self.created)
        return {
            "type": "skill",
            "id": self.id,
            "display_name": self.name,
            "display_title": self.name,
            "latest_version_id": self.latest,
            "latest_version": self.latest,
            "source": {"type": self.source} if new else self.source,
            "created_at": timestamp(self.created),
            "updated_at": updated,
        }


class Skills:
    """All skills of one simulator."""

    def __init__(self) -> None:
        self._all: dict[str, Skill] = {}
        for skill_id, name in ANTHROPIC.items():
            skill = Skill(skill_id, None, name, SHIPPED_AT)
            skill.versions[SHIPPED_VERSION] = _version(skill, SHIPPED_VERSION, f"Works with {name} files.", SHIPPED_AT)
            self._all[skill_id] = skill

    def listed(self, workspace: str, source: str | None) -> Sequence[Skill]:
        """The skills a workspace may use, its own first."""
        found = [skill for skill in reversed(self._all.values()) if skill.workspace in (None, workspace)]
        return [skill for skill in found if source in (None, skill.source)]

    def get(self, skill_id: str, workspace: str) -> Skill:
        """A skill by id.

        Raises:
            ApiError: 404.
        """
        skill = self._all.get(skill_id)
        if skill is None or skill.workspace not in (None, workspace):
            raise not_found(f"Skill not found: {skill_id}")
        return skill

    def create(
        self, name: str | None, files: Sequence[Upload], workspace: str, *, ids: RequestIds, now: datetime
    ) -> Skill:
        """Upload a skill with its first version."""
        skill = Skill(ids.new("skill"), workspace, name or _title(files), now)
        self.add_version(skill, files, ids=ids, now=now)
        self._all[skill.id] = skill
        return skill

    def add_version(self, skill: Skill, files: Sequence[Upload], *, ids: RequestIds, now: datetime) -> Json:
        """Upload a version; the answer is a `SkillVersion`.

        Raises:
            ApiError: 400 without a SKILL.md, or for a skill of Anthropic's.
        """
        if skill.workspace is None:
            raise invalid(f"Skill {skill.id} cannot be changed.")
        if not any(upload.name.rsplit("/", 1)[-1] == "SKILL.md" for upload in files):
            raise invalid("files: a SKILL.md file is required at the top of the skill's folder")
        version_id = ids.new("skillver")
        skill.versions[version_id] = _version(skill, version_id, _description(files), now)
        return skill.versions[version_id]

    def version(self, skill: Skill, version_id: str) -> Json:
        """A version; `latest` is the newest.

        Raises:
            ApiError: 404.
        """
        found = skill.versions.get(skill.latest if version_id == LATEST else version_id)
        if found is None:
            raise not_found(f"Skill version not found: {version_id}")
        return found

    def delete(self, skill: Skill) -> Json:
        """Forget a skill; the answer is a `DeletedSkill`.

        Raises:
            ApiError: 400 while it has versions, or for a skill of Anthropic's.
        """
        if skill.workspace is None or skill.versions:
            raise invalid(f"Skill {skill.id} cannot be deleted while it has versions.")
        del self._all[skill.id]
        return {"id": skill.id, "type": "skill_deleted"}

    def load(self, wanted: Sequence[Json], workspace: str) -> list[Json]:
        """The skills a request puts into its container, with resolved versions.

        Raises:
            ApiError: 400 for too many, 404 for one that is not there.
        """
        if len(wanted) > MAX_SKILLS:
            raise invalid(f"container.skills: List should have at most {MAX_SKILLS} items, not {len(wanted)}")
        loaded = []
        for item in wanted:
            skill = self.get(str(item.get("skill_id")), workspace)
            version = self.version(skill, str(item.get("version") or LATEST))
            loaded.append({"type": skill.source, "skill_id": skill.id, "version": version["id"]})
        return loaded


def _version(skill: Skill, version_id: str, description: str, now: datetime) -> Json:
    return {
        "type": "skill_version",
        "id": version_id,
        "version": version_id,
        "skill_id": skill.id,
        "name": skill.name,
        "directory": skill.name.lower().replace(" ", "-"),
        "description": description,
        "created_at": timestamp(now),
    }


def _title(files: Sequence[Upload]) -> str:
    return files[0].name.split("/", 1)[0] if files else "skill"


def _description(files: Sequence[Upload]) -> str:
    text = next(upload.data for upload in files if upload.name.rsplit("/", 1)[-1] == "SKILL.md").decode(
        errors="replace"
    )
    found = [line.removeprefix("description:").strip() for line in text.splitlines() if line.startswith("description:")]
    return found[0] if found else ""
