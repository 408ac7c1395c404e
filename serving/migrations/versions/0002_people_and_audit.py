"""People stand apart, encrypted and under a pseudonym; the audit trail begins."""

import json
import secrets

import sqlalchemy as sa
from alembic import context, op

from serving.store.audit import BEGINNING
from serving.store.keys import Keys
from serving.store.people import ENROLMENT, STUDENT, Details, opened, sealed

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_people = sa.table("people", *(sa.column(name, sa.String) for name in ("id", "student", "sealed_key", "sealed_details")))
_weeks = sa.table("weeks", sa.column("id", sa.Integer), sa.column("coaches", sa.JSON), sa.column("sealed_coaches", sa.String))
_students = sa.table(
    "students",
    *(sa.column(name, sa.String) for name in ("enrolment_id", "student_id", "name", "person_id", "enrolment")),
    sa.column("id", sa.Integer),
)


def _keys() -> Keys:
    keys: Keys = context.config.attributes["keys"]
    return keys


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("student", sa.String, nullable=False, unique=True),
        sa.Column("sealed_key", sa.String),
        sa.Column("sealed_details", sa.String),
        sa.Column("erased_at", sa.DateTime),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("event", "actor", "subject", "why", "code")),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("code", sa.String, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "code": BEGINNING}])
    op.create_table(
        "audit_checkpoints",
        sa.Column("through", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("signature", sa.String, nullable=False),
    )
    with op.batch_alter_table("weeks") as table:
        table.add_column(sa.Column("sealed_coaches", sa.String))
    with op.batch_alter_table("students") as table:
        table.add_column(sa.Column("person_id", sa.String))
        table.add_column(sa.Column("enrolment", sa.String))
    op.create_index("ix_students_number", "students", ["student_id"])
    _seal(op.get_bind(), _keys())
    op.drop_index("ix_students_number", "students")
    with op.batch_alter_table("weeks") as table:
        table.drop_column("coaches")
        table.alter_column("sealed_coaches", existing_type=sa.String, nullable=False)
    op.drop_index("ix_students_enrolment", "students")
    with op.batch_alter_table("students") as table:
        for name in ("enrolment_id", "student_id", "name"):
            table.drop_column(name)
        table.alter_column("person_id", existing_type=sa.String, nullable=False)
        table.alter_column("enrolment", existing_type=sa.String, nullable=False)
        table.create_foreign_key("fk_students_person", "people", ["person_id"], ["id"])
    op.create_index("ix_students_enrolment", "students", ["enrolment"])


def _seal(connection: sa.Connection, keys: Keys) -> None:
    for week in connection.execute(sa.select(_weeks.c.id, _weeks.c.coaches)).all():
        names = keys.seal(json.dumps(week.coaches, ensure_ascii=False))
        connection.execute(sa.update(_weeks).where(_weeks.c.id == week.id).values(sealed_coaches=names))
    one_by_student = sa.select(_students.c.student_id, sa.func.max(_students.c.id).label("newest")).group_by(_students.c.student_id)
    newest = one_by_student.subquery()
    query = sa.select(_students.c.student_id, _students.c.name).join(newest, newest.c.newest == _students.c.id)
    for student in connection.execute(query).all():
        theirs = _students.c.student_id == student.student_id
        enrolments = connection.scalars(sa.select(_students.c.enrolment_id).where(theirs).distinct()).all()
        digests = {keys.digest(ENROLMENT, enrolment): enrolment for enrolment in enrolments}
        own_key, details = sealed(Details(student.student_id, student.name, digests), keys)
        person = secrets.token_hex(16)
        row = {"id": person, "student": keys.digest(STUDENT, student.student_id), "sealed_key": own_key, "sealed_details": details}
        connection.execute(sa.insert(_people).values(row))
        for digest, enrolment in digests.items():
            here = sa.and_(theirs, _students.c.enrolment_id == enrolment)
            connection.execute(sa.update(_students).where(here).values(person_id=person, enrolment=digest))


def downgrade() -> None:
    with op.batch_alter_table("weeks") as table:
        table.add_column(sa.Column("coaches", sa.JSON))
    op.drop_index("ix_students_enrolment", "students")
    with op.batch_alter_table("students") as table:
        for name in ("enrolment_id", "student_id", "name"):
            table.add_column(sa.Column(name, sa.String))
    op.create_index("ix_students_person", "students", ["person_id"])
    _open(op.get_bind(), _keys())
    op.drop_index("ix_students_person", "students")
    with op.batch_alter_table("weeks") as table:
        table.drop_column("sealed_coaches")
        table.alter_column("coaches", existing_type=sa.JSON, nullable=False)
    with op.batch_alter_table("students") as table:
        table.drop_constraint("fk_students_person", type_="foreignkey")
        table.drop_column("person_id")
        table.drop_column("enrolment")
        for name in ("enrolment_id", "student_id", "name"):
            table.alter_column(name, existing_type=sa.String, nullable=False)
    op.create_index("ix_students_enrolment", "students", ["enrolment_id"])
    for name in ("audit_checkpoints", "audit_head", "audit", "people"):
        op.drop_table(name)


def _open(connection: sa.Connection, keys: Keys) -> None:
    for week in connection.execute(sa.select(_weeks.c.id, _weeks.c.sealed_coaches)).all():
        coaches = json.loads(keys.open(week.sealed_coaches))
        connection.execute(sa.update(_weeks).where(_weeks.c.id == week.id).values(coaches=coaches))
    for person in connection.execute(sa.select(_people)).all():
        theirs = _students.c.person_id == person.id
        if person.sealed_key is None:
            # Who was erased stays nameless: their rows go, as there is nothing to put back.
            connection.execute(sa.delete(_students).where(theirs))
            continue
        told = opened(person.sealed_key, person.sealed_details, keys)
        for digest, enrolment in told.enrolments.items():
            values = {"enrolment_id": enrolment, "student_id": told.student_id, "name": told.name}
            connection.execute(sa.update(_students).where(theirs, _students.c.enrolment == digest).values(**values))
