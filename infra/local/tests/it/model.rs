//! Keys and sessions as a model, of which every interleaving is looked at: three actors with three operations each, and
//! time, and what the tables remove by themselves.
//!
//! A step is what the tables do as one: a transaction, or the read of a single item. What the code reads and then
//! writes is two steps, and anything may come between; so is a check that reads several items at once, since a batched
//! read is no snapshot. The answer to a change is taken to be given with its write and a check to begin with its first
//! read, which is as early as either can be. Beside the tables stands what was promised to whoever got an answer, and
//! the properties compare the two.
//!
//! Left out: other tenants, who share no item but those of a person; switching from one to another, sessions by an
//! identity, passwords that an admin has set, and links to set one, which tests of their own are about; mails and the audit trail, which go along with a transaction; the note
//! of the last use; signing. There is one clock, and its ticks are as far apart as the shortest life of anything.
//!
//! A model proves nothing of code that it does not resemble. So each step names what it stands for, and every rule that
//! matters is taken out once by a [`Flaw`], to see that somebody notices.

use std::sync::atomic::{AtomicU8, Ordering};

use stateright::{Checker as _, HasDiscoveries, Model, Property};

const ACTORS: usize = 3;
/// Unoptimized code looks at a tenth of the states in the same time.
const OPERATIONS: u8 = if cfg!(debug_assertions) { 2 } else { 3 };
/// Keys that can come to be in one run, those of the start included.
const KEYS: usize = 3;
const NAMES: usize = 3;
const USERS: usize = 2;
const SESSIONS: usize = 3;
/// How often a change is tried that met another one: the code does it five times, and the third would show nothing new.
const ATTEMPTS: u8 = 2;

/// How long the tables keep what has expired.
const RETENTION: u8 = 1;
/// `domain::token::LIFETIME`
const LIFETIME: u8 = 2;
/// `domain::session::ABSOLUTE_LIMIT`
const ABSOLUTE_LIMIT: u8 = 3;
/// The expiry of keys as they are made, and of those that were extended.
const SOON: u8 = 1;
const LATER: u8 = 2;
/// When the tables may remove what expired soon.
const LAPSED: u8 = SOON + RETENTION + 1;

/// A rule that the code has and that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// An edit is written whatever the version.
    EditWithoutVersion,
    /// An edit that gives no more time does not ask whether the sweeper was there.
    EditOverSweeper,
    /// A re-activation is written whatever the version.
    ReactivateWithoutVersion,
    /// A re-activation that met another change is made again, as an edit is.
    ReactivateAgain,
    /// A re-activation does not ask whether the sweeper was there.
    ReactivateOverSweeper,
    /// Revoking a key that is revoked writes nothing.
    RevokeOnlyActive,
    /// A deletion is made whatever the version.
    DeleteWithoutVersion,
    /// An edit brings a key back that is no longer there.
    EditPutsWhole,
    /// The sweeper believes its index.
    SweepWithoutExpiry,
    /// A check reads what a replica has.
    StaleCheck,
    /// A check believes that the sweeper has been there.
    CheckWithoutExpiry,
    /// A check of a token does not read the key behind it.
    TokenWithoutKey,
    /// A session begins whatever became of the password.
    SignInWithoutPassword,
    /// Being disabled does not end sessions, so that they go on when the user is enabled.
    DisableWithoutSignOut,
    /// A refreshed token lives as long as any.
    RefreshWithoutLimit,
    /// Names are looked at before they are held.
    NameReadBefore,
    /// What is written together is written one after the other.
    Torn,
    /// A user is removed whatever they have.
    RemoveWithKeys,
    /// A recount is written whoever came or went.
    RecountWithoutChanges,
    /// Disabling somebody who is disabled writes nothing.
    DisableOnlyActive,
    /// A user is replaced if they are as they were read, whatever they were meanwhile.
    ReplaceByValues,
    /// Whoever comes in without a password leaves the login item as it is.
    JoinUnnoted,
    /// A key whose index item the table has removed gets it back by an edit, and is not counted.
    EditUncounted,
    /// Whoever seems to have keys is not removed, without a recount.
    RemoveWithoutRecount,
    /// A key whose name another has taken is not deleted.
    DeleteOnlyNamed,
}

/// What can be asked for. Whom or what it is about is said beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Ask {
    Create(u8),
    Edit(Edit),
    Revoke,
    Reactivate,
    Delete,
    Sweep,
    /// A request with a key.
    Present,
    /// A token for a key.
    Exchange,
    /// A request with a token.
    Use,
    Refresh,
    SignIn,
    SignOut,
    /// Ending all sessions but the one that asks.
    EndOthers,
    ChangePassword,
    Disable,
    Enable,
    RemoveUser,
    /// Coming into another organization by an identity, without a password.
    Join,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Edit {
    Rename(u8),
    Expire(u8),
}

/// What key item and index item say alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Facts {
    name: u8,
    ends: u8,
    is_active: bool,
    version: u8,
}

/// The item of a key in `keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    facts: Facts,
    /// `expiry_day`: whether the sweeper finds it.
    is_due: bool,
}

/// The item that holds a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Held {
    key: u8,
    ttl: u8,
}

/// The profile of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct User {
    is_active: bool,
    sign_outs: u8,
    key_count: i8,
    key_changes: u8,
}

/// The item of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Record {
    is_revoked: bool,
    sign_outs: u8,
    ends: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Tables {
    keys: [Option<Key>; KEYS],
    index: [Option<Facts>; KEYS],
    names: [Option<Held>; NAMES],
    users: [Option<User>; USERS],
    /// Which users the person of the one address is.
    memberships: [bool; USERS],
    password_hash: u8,
    /// How often the person came in without a password.
    joins: u8,
    sessions: [Option<Record>; SESSIONS],
}

/// What somebody can present: the longest token of a session, since a shorter one opens nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Token {
    user: u8,
    /// `kuid`
    key: Option<u8>,
    expires: u8,
    /// `domain::token::Claims::session_ends_at`
    session_ends: u8,
    /// What the item of the session says of sign-outs as long as it is kept, which never changes. A key's has none.
    sign_outs: Option<u8>,
}

/// What was answered and has to hold from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Promised {
    /// Revoked, and not re-activated by somebody who came later.
    revoked: [bool; KEYS],
    deleted: [bool; KEYS],
    /// Disabled or removed, and not enabled by somebody who came later.
    shut_out: [bool; USERS],
    /// Signed out, or begun before a sign-out everywhere.
    ended: [bool; SESSIONS],
    /// When the sign-in ends that a session goes back to.
    sign_in_ends: [u8; SESSIONS],
    /// The earliest expiry that a key ever had: from then on an index that lags may show it.
    earliest_end: [u8; KEYS],
}

/// Why a check must refuse: what was so when it began and has been ever since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each falls by itself")]
struct Bars {
    by_key: bool,
    by_expiry: bool,
    by_user: bool,
    by_session: bool,
}

/// Items that a check still has to read.
type Unread = u8;
const USER: Unread = 1;
const SESSION: Unread = 2;
const KEY: Unread = 4;
/// The key, as a replica has it that has not heard of the last change.
const STALE_KEY: Unread = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Check {
    ask: Ask,
    /// The key or the session that is presented.
    of: u8,
    user: u8,
    key: Option<u8>,
    unread: Unread,
    bars: Bars,
    /// As it was read.
    key_ends: u8,
}

/// What of a user that was read is asked for when it is replaced, as far as it changes here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Before {
    is_active: bool,
    sign_outs: u8,
}

/// For what the keys of a user are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Purpose {
    Create { name: u8 },
    Edit { key: u8, edit: Edit, attempt: u8, before: Key, after: Facts },
    Remove { user: u8, attempt: u8 },
}

/// Whether the keys of a user who is removed were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Recount {
    NotYet,
    /// And somebody came or went meanwhile.
    Lost,
    Done,
}

impl Check {
    fn is_of_token(&self) -> bool {
        !matches!(self.ask, Ask::Present | Ask::Exchange)
    }
}

/// How far an actor is with an operation: what it has read, and so what it does next.
/// After a lost race it begins again by reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Doing {
    Nothing,
    Again { ask: Ask, of: u8, attempt: u8, is_overtaken: bool },
    Creating { name: u8 },
    Recounting { purpose: Purpose, changes: u8 },
    Recounted { purpose: Purpose, changes: u8, count: i8 },
    Editing { key: u8, edit: Edit, attempt: u8, before: Key, after: Facts, is_counted: bool },
    Revoking { key: u8 },
    Reactivating { key: u8, attempt: u8, before: Key, is_overtaken: bool },
    Deleting { key: u8, attempt: u8, before: Key, is_unindexed: bool },
    Sweeping { key: u8, now: u8, is_unindexed: bool },
    Checking(Check),
    Recognised { user: u8, hash: u8, is_again: bool },
    SigningIn { user: u8, hash: u8, sign_outs: u8, is_again: bool },
    EndingOthers { session: u8, user: u8, sign_outs: u8 },
    ChangingPassword { hash: u8, joins: u8, memberships: [bool; USERS] },
    Replacing { user: u8, attempt: u8, before: Before, is_active: bool, is_overtaken: bool },
    RemovingDisables { user: u8, before: Before },
    RemovingLists { user: u8, attempt: u8 },
    RemovingKeys { user: u8, attempt: u8, listed: [Option<Facts>; KEYS] },
    RemovingProfile { user: u8, attempt: u8, recount: Recount },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Actor {
    left: u8,
    doing: Doing,
}

/// What a step did that none may do. The states themselves tell the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Wrong {
    AcceptedShut,
    AcceptedExpired,
    SweptLiving,
    RefusedButChanged,
    LostToNobody,
    RemovalStuck,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    tables: Tables,
    clock: u8,
    /// Sorted, since it does not matter which of them does something.
    actors: [Actor; ACTORS],
    keys_made: u8,
    sessions_begun: u8,
    tokens: [Option<Token>; SESSIONS],
    promised: Promised,
    /// Keys before their last change; only with [`Flaw::StaleCheck`].
    replica: [Option<Key>; KEYS],
    wrong: Option<Wrong>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// An actor begins an operation: about which key, session or user, and what it reads first if it may choose.
    Begin {
        actor: usize,
        ask: Ask,
        of: u8,
        first: Unread,
    },
    /// An actor does what comes next.
    GoOn {
        actor: usize,
        reads: Unread,
    },
    TimePasses,
    /// The tables remove what is past its `ttl`, each item when they come to it.
    TableRemovesKey(usize),
    TableRemovesIndex(usize),
    TableRemovesName(usize),
    TableRemovesSession(usize),
}

/// Why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Conflict,
    DuplicateName,
    LimitReached,
    IndexGone,
}

/// What was seen on the way: that a model in which nothing happens has no counterexample is of no worth.
///
/// It is noted beside the states, which would be as many times more if they carried it.
#[derive(Debug, Default)]
struct Seen(AtomicU8);

const ACCEPTED: u8 = 1;
const LOST_RACE: u8 = 2;
const REOPENED: u8 = 4;
const REFUSED: u8 = 8;

impl Seen {
    fn note(&self, what: u8) {
        self.0.fetch_or(what, Ordering::Relaxed);
    }

    fn has(&self, what: u8) -> bool {
        self.0.load(Ordering::Relaxed) & what != 0
    }
}

/// What one test looks at: operations that touch the same items. All of them at once would be too many.
#[derive(Debug)]
struct Lifecycle {
    asks: &'static [Ask],
    keys: u8,
    sessions: u8,
    /// Sessions that can come to be in one run, those of the start included.
    most_sessions: usize,
    /// Keys that the user may have.
    limit: i8,
    /// From when on it looks, and how far time goes.
    from: u8,
    until: u8,
    /// Whether the tables remove what is past its `ttl`.
    table_removes: bool,
    /// Whether an enabling that was begun before a disabling was answered must not outlive it.
    enables_only_later: bool,
    /// What must be seen, besides that nothing goes wrong.
    expects: u8,
    flaw: Option<Flaw>,
    seen: Seen,
}

impl Lifecycle {
    fn of(asks: &'static [Ask]) -> Self {
        Self {
            asks,
            keys: 1,
            sessions: 0,
            most_sessions: SESSIONS,
            limit: 2,
            from: 0,
            until: 0,
            table_removes: false,
            enables_only_later: false,
            expects: 0,
            flaw: None,
            seen: Seen::default(),
        }
    }

    fn with(self, flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..self }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn start(&self) -> World {
        let facts = |name| Facts { name, ends: SOON, is_active: true, version: 1 };
        let (mut keys, mut names) = ([None; KEYS], [None; NAMES]);
        for number in 0..self.keys {
            keys[usize::from(number)] = Some(Key { facts: facts(number), is_due: true });
            names[usize::from(number)] = Some(Held { key: number, ttl: SOON + RETENTION });
        }
        let key_count = i8::try_from(self.keys).expect("keys are few");
        let (mut sessions, mut tokens) = ([None; SESSIONS], [None; SESSIONS]);
        for number in 0..usize::from(self.sessions) {
            sessions[number] = Some(Record { is_revoked: false, sign_outs: 0, ends: ABSOLUTE_LIMIT });
            tokens[number] =
                Some(Token { user: 0, key: None, expires: LIFETIME, session_ends: ABSOLUTE_LIMIT, sign_outs: Some(0) });
        }
        let mut world = World {
            tables: Tables {
                keys,
                index: keys.map(|key| key.map(|key| key.facts)),
                names,
                users: [Some(User { is_active: true, sign_outs: 0, key_count, key_changes: 0 }), None],
                memberships: [true, false],
                password_hash: 0,
                joins: 0,
                sessions,
            },
            clock: self.from,
            actors: [Actor { left: OPERATIONS, doing: Doing::Nothing }; ACTORS],
            keys_made: self.keys,
            sessions_begun: self.sessions,
            tokens,
            promised: Promised {
                revoked: [false; KEYS],
                deleted: [false; KEYS],
                shut_out: [false; USERS],
                ended: [false; SESSIONS],
                sign_in_ends: [ABSOLUTE_LIMIT; SESSIONS],
                earliest_end: [SOON; KEYS],
            },
            replica: [None; KEYS],
            wrong: None,
        };
        world.settle();
        world
    }

    /// Whatever this can be asked about now, and what it may read first.
    fn begin(&self, world: &World, actor: usize, ask: Ask, steps: &mut Vec<Step>) {
        let mut push = |of: u8, first: Unread| steps.push(Step::Begin { actor, ask, of, first });
        let is_full = usize::from(world.sessions_begun) >= self.most_sessions;
        match ask {
            Ask::Exchange | Ask::EndOthers | Ask::SignIn if is_full => {}
            Ask::Create(_) if usize::from(world.keys_made) < KEYS => push(0, 0),
            Ask::Create(_) => {}
            Ask::Edit(_) | Ask::Revoke | Ask::Reactivate | Ask::Delete => {
                (0..world.keys_made).for_each(|key| push(key, 0));
            }
            // The index may lag behind by any change; what is decided upon it is decided by the write.
            Ask::Sweep => (0..world.keys_made)
                .filter(|key| world.promised.earliest_end[usize::from(*key)] <= world.clock)
                .for_each(|key| push(key, 0)),
            Ask::Present | Ask::Exchange => {
                for key in 0..world.keys_made {
                    self.readable(world, USER | KEY, Some(key)).for_each(|item| push(key, item));
                }
            }
            Ask::Use | Ask::Refresh | Ask::EndOthers => {
                for (number, token) in (0..).zip(world.tokens.iter().flatten()) {
                    // A key's token does not speak for its user where sessions are concerned.
                    if ask != Ask::EndOthers || token.key.is_none() {
                        let unread = self.unread_of(*token);
                        self.readable(world, unread, token.key).for_each(|item| push(number, item));
                    }
                }
            }
            Ask::SignOut => (0..world.sessions_begun).for_each(|session| push(session, 0)),
            Ask::SignIn => {
                (0..2).filter(|user| world.tables.memberships[usize::from(*user)]).for_each(|user| push(user, 0));
            }
            Ask::ChangePassword | Ask::Disable | Ask::Enable | Ask::RemoveUser => push(0, 0),
            Ask::Join => push(1, 0),
        }
    }

    fn unread_of(&self, token: Token) -> Unread {
        let key = if token.key.is_some() && !self.has(Flaw::TokenWithoutKey) { KEY } else { 0 };
        USER | SESSION | key
    }

    /// A batch is read in any order, each item at its own moment.
    fn readable(&self, world: &World, unread: Unread, key: Option<u8>) -> impl Iterator<Item = Unread> + use<> {
        let replica = key.and_then(|key| world.replica[usize::from(key)]);
        let is_stale = self.has(Flaw::StaleCheck) && unread & KEY != 0 && replica.is_some();
        [USER, SESSION, KEY].into_iter().filter(move |item| unread & item != 0).chain(is_stale.then_some(STALE_KEY))
    }
}

type Rule = Property<Lifecycle>;

impl Model for Lifecycle {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.start()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let is_over = world.actors.iter().all(|actor| *actor == Actor { left: 0, doing: Doing::Nothing });
        if world.wrong.is_some() || is_over {
            return;
        }
        for (number, actor) in world.actors.iter().enumerate() {
            // Who is as far as the one before would do the same.
            if number > 0 && world.actors[number - 1] == *actor {
                continue;
            }
            match actor.doing {
                Doing::Nothing if actor.left == 0 => {}
                Doing::Nothing => self.asks.iter().for_each(|ask| self.begin(world, number, *ask, steps)),
                Doing::Checking(check) => steps.extend(
                    self.readable(world, check.unread, check.key).map(|reads| Step::GoOn { actor: number, reads }),
                ),
                _ => steps.push(Step::GoOn { actor: number, reads: 0 }),
            }
        }
        if world.clock < self.until {
            steps.push(Step::TimePasses);
        }
        if self.table_removes {
            let (tables, clock) = (&world.tables, world.clock);
            let is_past = |ends: u8| ends + RETENTION < clock;
            for key in 0..KEYS {
                steps
                    .extend(tables.keys[key].filter(|key| is_past(key.facts.ends)).map(|_| Step::TableRemovesKey(key)));
                steps.extend(tables.index[key].filter(|key| is_past(key.ends)).map(|_| Step::TableRemovesIndex(key)));
            }
            for name in 0..NAMES {
                steps.extend(tables.names[name].filter(|held| held.ttl < clock).map(|_| Step::TableRemovesName(name)));
            }
            for session in 0..SESSIONS {
                let record = tables.sessions[session].filter(|record| record.ends <= clock);
                steps.extend(record.map(|_| Step::TableRemovesSession(session)));
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match step {
            Step::Begin { actor, ask, of, first } => {
                next.actors[actor].left -= 1;
                next.actors[actor].doing = self.first_step(&mut next, ask, of, 0, first);
                // Nothing came of it: whoever does fewer operations does nothing else than whoever does some in vain.
                let is_vain = next.actors[actor].doing == Doing::Nothing;
                if is_vain && (World { actors: world.actors, ..next.clone() }) == *world {
                    return None;
                }
            }
            Step::GoOn { actor, reads } => {
                let doing = next.actors[actor].doing;
                // What is under way is told of what happens; the one who does it is not meant.
                next.actors[actor].doing = Doing::Nothing;
                next.actors[actor].doing = self.go_on(&mut next, doing, reads);
            }
            Step::TimePasses => next.clock += 1,
            Step::TableRemovesKey(key) => next.tables.keys[key] = None,
            Step::TableRemovesIndex(key) => next.tables.index[key] = None,
            Step::TableRemovesName(name) => next.tables.names[name] = None,
            Step::TableRemovesSession(session) => next.tables.sessions[session] = None,
        }
        if self.has(Flaw::StaleCheck) {
            for key in 0..KEYS {
                if next.tables.keys[key] != world.tables.keys[key] {
                    next.replica[key] = world.tables.keys[key];
                }
            }
        }
        next.settle();
        next.actors.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Rule> {
        let mut properties: Vec<Rule> = vec![
            Rule::always(SHUT_KEY, |_, world| {
                world.keys().all(|(key, found)| !world.promised.revoked[key] || !found.facts.is_active)
            }),
            Rule::always(DELETED_KEY, |_, world| {
                world.keys().all(|(key, _)| !world.promised.deleted[key])
                    && (0..KEYS).all(|key| !world.promised.deleted[key] || world.tables.index[key].is_none())
            }),
            Rule::always(NAMED, |model, world| {
                let named = |name: usize| world.keys().filter(move |(_, key)| usize::from(key.facts.name) == name);
                let is_right = |name: usize| {
                    let holder = world.tables.names[name].map(|held| usize::from(held.key));
                    named(name).count() <= 1 && named(name).next().map(|(key, _)| key) == holder
                };
                model.table_removes || (0..NAMES).all(is_right)
            }),
            Rule::always(SWEPT, |_, world| world.keys().all(|(_, key)| key.is_due || !key.facts.is_active)),
            Rule::always(COUNTED, |model, world| {
                let count = world.tables.users[0].map(|user| user.key_count);
                model.table_removes || count.is_none_or(|count| usize::try_from(count) == Ok(world.keys().count()))
            }),
            Rule::always("key and index item agree", |model, world| {
                let agrees = |key: usize| {
                    let (key, index) = (world.tables.keys[key].map(|key| key.facts), world.tables.index[key]);
                    key == index || model.table_removes && (key.is_none() || index.is_none())
                };
                (0..KEYS).all(agrees)
            }),
            Rule::always(WITHIN_LIMIT, |model, world| {
                let listed = world.tables.index.iter().flatten().count();
                usize::try_from(model.limit).is_ok_and(|limit| listed <= limit)
            }),
            Rule::always(LEFT_NOTHING, |_, world| {
                world.tables.users[0].is_some() || world.tables.index.iter().all(Option::is_none)
            }),
            Rule::always(SHUT_OUT, |_, world| {
                let is_in = |user: usize| world.tables.users[user].is_some_and(|user| user.is_active);
                (0..USERS).all(|user| !world.promised.shut_out[user] || !is_in(user))
            }),
            Rule::always(ENDED, |_, world| {
                (0..SESSIONS).all(|session| !world.promised.ended[session] || !world.is_alive(session))
            }),
            Rule::always(WITHIN_SIGN_IN, |_, world| {
                let ends = world.promised.sign_in_ends;
                world.tokens.iter().zip(ends).all(|(token, ends)| token.is_none_or(|token| token.expires <= ends))
            }),
        ];
        properties.extend([
            Rule::always(REFUSED_AFTER, |_, world| world.wrong != Some(Wrong::AcceptedShut)),
            Rule::always(REFUSED_EXPIRED, |_, world| world.wrong != Some(Wrong::AcceptedExpired)),
            Rule::always(SWEEPER_KEEPS, |_, world| world.wrong != Some(Wrong::SweptLiving)),
            Rule::always(UNCHANGED, |_, world| world.wrong != Some(Wrong::RefusedButChanged)),
            Rule::always(LOST_TO_SOMEBODY, |_, world| world.wrong != Some(Wrong::LostToNobody)),
            Rule::always(REMOVABLE, |_, world| world.wrong != Some(Wrong::RemovalStuck)),
        ]);
        let mut expect = |what: u8, property| properties.extend((self.expects & what != 0).then_some(property));
        expect(ACCEPTED, Rule::sometimes("a check is accepted", |model, _| model.seen.has(ACCEPTED)));
        expect(REFUSED, Rule::sometimes("a check is refused", |model, _| model.seen.has(REFUSED)));
        expect(LOST_RACE, Rule::sometimes("a race is lost", |model, _| model.seen.has(LOST_RACE)));
        expect(REOPENED, Rule::sometimes("what was shut opens again", |model, _| model.seen.has(REOPENED)));
        properties
    }
}

impl World {
    fn keys(&self) -> impl Iterator<Item = (usize, Key)> {
        self.tables.keys.iter().enumerate().filter_map(|(number, key)| Some((number, (*key)?)))
    }

    /// `domain::principal::Principal::from_token`, as far as user and session go, on one moment.
    fn is_alive(&self, session: usize) -> bool {
        let Some(token) = self.tokens[session] else { return false };
        let user = self.tables.users[usize::from(token.user)].filter(|user| user.is_active);
        let record = self.tables.sessions[session];
        match (user, record) {
            (None, _) => false,
            (Some(_), None) => token.key.is_some() && self.clock < token.expires,
            (Some(user), Some(record)) => {
                !record.is_revoked && (token.key.is_some() || record.sign_outs == user.sign_outs)
            }
        }
    }

    /// Forgets how often things were changed: of all that was ever read of a version or a count, it only matters
    /// whether it is the one of now, since none comes back. That leaves far fewer states.
    fn settle(&mut self) {
        let level = |current: Option<u8>, value: &mut u8| *value = u8::from(Some(*value) == current);
        for key in 0..KEYS {
            let current = self.tables.keys[key].map(|key| key.facts.version);
            let of_actors = self.actors.iter_mut().filter_map(|actor| match &mut actor.doing {
                Doing::Editing { key: of, before, .. }
                | Doing::Recounting { purpose: Purpose::Edit { key: of, before, .. }, .. }
                | Doing::Recounted { purpose: Purpose::Edit { key: of, before, .. }, .. }
                | Doing::Reactivating { key: of, before, .. }
                | Doing::Deleting { key: of, before, .. }
                    if usize::from(*of) == key =>
                {
                    Some(&mut before.facts)
                }
                Doing::RemovingKeys { listed, .. } => listed[key].as_mut(),
                _ => None,
            });
            let of_tables = self.tables.keys[key].iter_mut().map(|key| &mut key.facts);
            let of_tables = of_tables.chain(&mut self.tables.index[key]);
            let of_replica = self.replica[key].iter_mut().map(|key| &mut key.facts);
            of_tables.chain(of_replica).chain(of_actors).for_each(|facts| level(current, &mut facts.version));
        }
        for number in 0..USERS {
            let user = self.tables.users[number];
            let (sign_outs, changes) = (user.map(|user| user.sign_outs), user.map(|user| user.key_changes));
            if let Some(user) = &mut self.tables.users[number] {
                level(sign_outs, &mut user.sign_outs);
                level(changes, &mut user.key_changes);
            }
            for (record, token) in self.tables.sessions.iter_mut().zip(&mut self.tokens) {
                if let Some(token) = token.as_mut().filter(|token| usize::from(token.user) == number) {
                    token.sign_outs.iter_mut().for_each(|begun| level(sign_outs, begun));
                    if let Some(record) = record {
                        level(sign_outs, &mut record.sign_outs);
                    }
                }
            }
            for actor in &mut self.actors {
                match &mut actor.doing {
                    Doing::SigningIn { user, sign_outs: read, .. }
                    | Doing::EndingOthers { user, sign_outs: read, .. }
                        if usize::from(*user) == number =>
                    {
                        level(sign_outs, read);
                    }
                    Doing::Replacing { user, before, .. } | Doing::RemovingDisables { user, before }
                        if usize::from(*user) == number =>
                    {
                        level(sign_outs, &mut before.sign_outs);
                    }
                    Doing::Recounting { changes: read, .. } | Doing::Recounted { changes: read, .. } if number == 0 => {
                        level(changes, read);
                    }
                    _ => {}
                }
            }
        }
        let hash = Some(self.tables.password_hash);
        level(hash, &mut self.tables.password_hash);
        for actor in &mut self.actors {
            match &mut actor.doing {
                Doing::Recognised { hash: read, .. }
                | Doing::SigningIn { hash: read, .. }
                | Doing::ChangingPassword { hash: read, .. } => level(hash, read),
                _ => {}
            }
        }
    }

    fn tell_checks(&mut self, tell: impl Fn(&mut Check)) {
        for actor in &mut self.actors {
            if let Doing::Checking(check) = &mut actor.doing {
                tell(check);
            }
        }
    }

    fn revoked(&mut self, revoked: u8) {
        self.promised.revoked[usize::from(revoked)] = true;
        for actor in &mut self.actors {
            if let Doing::Reactivating { key, is_overtaken, .. }
            | Doing::Again { ask: Ask::Reactivate, of: key, is_overtaken, .. } = &mut actor.doing
            {
                *is_overtaken |= *key == revoked;
            }
        }
    }

    /// Whoever was overtaken by a revocation has not been let, whatever the tables did.
    fn reactivated(&mut self, key: u8, is_overtaken: bool) {
        if !is_overtaken {
            self.promised.revoked[usize::from(key)] = false;
            self.tell_checks(|check| check.bars.by_key &= check.key != Some(key));
        }
    }

    fn expires_anew(&mut self, key: u8, ends: u8) {
        let earliest = &mut self.promised.earliest_end[usize::from(key)];
        *earliest = ends.min(*earliest);
        self.tell_checks(|check| check.bars.by_expiry &= check.key != Some(key));
    }

    /// Sessions of this user end, but not those of keys.
    fn signed_out(&mut self, user: u8) {
        for (token, ended) in self.tokens.iter().zip(&mut self.promised.ended) {
            *ended |= token.is_some_and(|token| token.user == user && token.key.is_none());
        }
    }

    fn shut_out(&mut self, shut_out: u8) {
        self.signed_out(shut_out);
        self.promised.shut_out[usize::from(shut_out)] = true;
        for actor in &mut self.actors {
            if let Doing::Replacing { user, is_overtaken, .. } = &mut actor.doing {
                *is_overtaken |= *user == shut_out;
            }
        }
    }

    fn begin_session(&mut self, token: Token, sign_in_ends: u8) -> usize {
        let session = usize::from(self.sessions_begun);
        self.sessions_begun += 1;
        self.tokens[session] = Some(token);
        self.promised.sign_in_ends[session] = sign_in_ends;
        session
    }
}

/// What the operations do.
impl Lifecycle {
    /// From the beginning of an operation to the end of its first read, or of its only write.
    fn first_step(&self, world: &mut World, ask: Ask, of: u8, attempt: u8, first: Unread) -> Doing {
        match ask {
            Ask::Create(name) => self.create(world, name, true),
            Ask::Edit(edit) => Self::read_to_edit(world, of, edit, attempt),
            Ask::Revoke => self.read_to_revoke(world, of),
            Ask::Reactivate => Self::read_to_reactivate(world, of, attempt),
            Ask::Delete => match world.tables.keys[usize::from(of)] {
                Some(before) => Doing::Deleting { key: of, attempt, before, is_unindexed: false },
                None => Doing::Nothing,
            },
            Ask::Sweep => Doing::Sweeping { key: of, now: world.clock, is_unindexed: false },
            Ask::Present | Ask::Exchange => self.begin_check(world, ask, of, 0, Some(of), first),
            Ask::Use | Ask::Refresh | Ask::EndOthers => match world.tokens[usize::from(of)] {
                // `domain::token::verify` comes before any read.
                Some(token) if world.clock < token.expires => {
                    self.begin_check(world, ask, of, token.user, token.key, first)
                }
                _ => self.refused(),
            },
            Ask::SignIn => Doing::Recognised { user: of, hash: world.tables.password_hash, is_again: false },
            Ask::SignOut => self.sign_out(world, of),
            Ask::ChangePassword => Doing::ChangingPassword {
                hash: world.tables.password_hash,
                joins: world.tables.joins,
                memberships: world.tables.memberships,
            },
            Ask::Disable => self.read_to_replace(world, of, attempt, false),
            Ask::Enable => self.read_to_replace(world, of, attempt, true),
            Ask::RemoveUser => match world.tables.users[usize::from(of)] {
                None => Doing::Nothing,
                Some(before) if before.is_active => Doing::RemovingDisables { user: of, before: as_read(before) },
                Some(_) => Doing::RemovingLists { user: of, attempt: 0 },
            },
            Ask::Join => self.join(world, of),
        }
    }

    fn go_on(&self, world: &mut World, doing: Doing, reads: Unread) -> Doing {
        match doing {
            Doing::Nothing => Doing::Nothing,
            Doing::Again { ask, of, attempt, is_overtaken: was_overtaken } => {
                let mut doing = self.first_step(world, ask, of, attempt, 0);
                if let Doing::Reactivating { is_overtaken, .. } = &mut doing {
                    *is_overtaken = was_overtaken;
                }
                doing
            }
            Doing::Creating { name } => self.create(world, name, false),
            Doing::Recounting { purpose, changes } => self.count_keys(world, purpose, changes),
            Doing::Recounted { purpose, changes, count } => self.recount(world, purpose, changes, count),
            Doing::Editing { key, edit, attempt, before, after, is_counted } => {
                self.edit(world, (key, edit, attempt), before, after, is_counted)
            }
            Doing::Revoking { key } => self.revoke(world, key),
            Doing::Reactivating { key, attempt, before, is_overtaken } => {
                self.reactivate(world, key, attempt, before, is_overtaken)
            }
            Doing::Deleting { key, attempt, before, is_unindexed } => {
                self.delete(world, key, attempt, before, is_unindexed)
            }
            Doing::Sweeping { key, now, is_unindexed } => self.sweep(world, key, now, is_unindexed),
            Doing::Checking(check) => self.read_and_decide(world, check, reads),
            Doing::Recognised { user, hash, is_again } => {
                match world.tables.users[usize::from(user)].filter(|user| user.is_active) {
                    Some(found) => Doing::SigningIn { user, hash, sign_outs: found.sign_outs, is_again },
                    None => Doing::Nothing,
                }
            }
            Doing::SigningIn { user, hash, sign_outs, is_again } => {
                self.sign_in(world, user, hash, sign_outs, is_again)
            }
            Doing::EndingOthers { session, user, sign_outs } => self.end_others(world, session, user, sign_outs),
            Doing::ChangingPassword { hash, joins, memberships } => {
                self.change_password(world, hash, joins, memberships)
            }
            Doing::Replacing { user, attempt, before, is_active, is_overtaken } => {
                self.replace_user(world, user, attempt, before, is_active, is_overtaken)
            }
            Doing::RemovingDisables { user, before } => self.disable_to_remove(world, user, before),
            Doing::RemovingLists { user, attempt } => removing(user, attempt, world.tables.index),
            Doing::RemovingKeys { user, attempt, listed } => self.remove_key(world, user, attempt, listed),
            Doing::RemovingProfile { user, attempt, recount } => self.remove_user(world, user, attempt, recount),
        }
    }

    fn went_wrong(world: &mut World, is_wrong: bool, wrong: Wrong) {
        if is_wrong {
            world.wrong.get_or_insert(wrong);
        }
    }

    fn refused(&self) -> Doing {
        self.seen.note(REFUSED);
        Doing::Nothing
    }

    fn lost(&self) -> Doing {
        self.seen.note(LOST_RACE);
        Doing::Nothing
    }

    fn again(&self, ask: Ask, of: u8, attempt: u8) -> Doing {
        self.seen.note(LOST_RACE);
        let again = Doing::Again { ask, of, attempt: attempt + 1, is_overtaken: false };
        if attempt + 1 < ATTEMPTS { again } else { Doing::Nothing }
    }

    /// `store::transaction::transact`: all writes or none.
    fn transact(
        &self,
        world: &mut World,
        writes: impl FnOnce(&mut Tables) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut after = world.tables;
        let done = writes(&mut after);
        if done.is_ok() || self.has(Flaw::Torn) {
            let is_changed = after != world.tables;
            world.tables = after;
            Self::went_wrong(world, done.is_err() && is_changed, Wrong::RefusedButChanged);
        }
        done
    }

    /// `store::api_keys::hold_name`
    fn hold_name(&self, tables: &mut Tables, key: u8, name: u8, ends: u8, now: u8) -> Result<(), Refusal> {
        let held = &mut tables.names[usize::from(name)];
        let is_free = held.is_none_or(|held| held.key == key || held.ttl < now);
        *held = Some(Held { key, ttl: ends + RETENTION });
        // With the flaw somebody has looked before, when it was free.
        ensure(is_free || self.has(Flaw::NameReadBefore), Refusal::DuplicateName)
    }

    /// `store::api_keys::create_api_key`: one transaction, and a recount if the user seems to have too many.
    fn create(&self, world: &mut World, name: u8, may_recount: bool) -> Doing {
        if usize::from(world.keys_made) == KEYS {
            return Doing::Nothing;
        }
        let (key, now, ends) = (world.keys_made, world.clock, world.clock + SOON);
        let facts = Facts { name, ends, is_active: true, version: 1 };
        let created = self.transact(world, |tables| {
            tables.keys[usize::from(key)] = Some(Key { facts, is_due: true });
            tables.index[usize::from(key)] = Some(facts);
            self.hold_name(tables, key, name, ends, now)?;
            count_key(tables, 1, Some(self.limit))
        });
        match created {
            Ok(()) => {
                world.keys_made += 1;
                world.promised.earliest_end[usize::from(key)] = ends;
                Doing::Nothing
            }
            Err(Refusal::LimitReached) if may_recount => begin_recount(world, Purpose::Create { name }),
            Err(_) => self.lost(),
        }
    }

    /// `store::api_keys::recount_api_keys`, the query of the index items.
    fn count_keys(&self, world: &World, purpose: Purpose, changes: u8) -> Doing {
        let count = i8::try_from(world.tables.index.iter().flatten().count()).expect("keys are few");
        let limit = if matches!(purpose, Purpose::Remove { .. }) { 1 } else { self.limit };
        match purpose {
            _ if count < limit => Doing::Recounted { purpose, changes, count },
            Purpose::Remove { user, attempt } => removing_again(user, attempt),
            _ => Doing::Nothing,
        }
    }

    /// `store::api_keys::recount_api_keys`, its write.
    fn recount(&self, world: &mut World, purpose: Purpose, changes: u8, count: i8) -> Doing {
        let written = self.transact(world, |tables| {
            let user = tables.users[0].as_mut().ok_or(Refusal::Conflict)?;
            ensure(user.key_changes == changes || self.has(Flaw::RecountWithoutChanges), Refusal::Conflict)?;
            user.key_count = count;
            Ok(())
        });
        if written.is_err() {
            self.seen.note(LOST_RACE);
        }
        match purpose {
            Purpose::Create { name } => Doing::Creating { name },
            Purpose::Edit { key, edit, attempt, before, after } => {
                Doing::Editing { key, edit, attempt, before, after, is_counted: true }
            }
            Purpose::Remove { user, attempt } => {
                let recount = if written.is_ok() { Recount::Done } else { Recount::Lost };
                Doing::RemovingProfile { user, attempt, recount }
            }
        }
    }

    /// `functions::api_keys::update`, its read, and `domain::ApiKey::update` on it.
    fn read_to_edit(world: &World, key: u8, edit: Edit, attempt: u8) -> Doing {
        let Some(before) = world.tables.keys[usize::from(key)] else { return Doing::Nothing };
        let (facts, now) = (before.facts, world.clock);
        let (name, ends) = match edit {
            Edit::Rename(name) => (name, facts.ends),
            Edit::Expire(ends) => (facts.name, ends),
        };
        // It has a past expiry, or does not differ.
        if (ends != facts.ends && ends <= now) || (name, ends) == (facts.name, facts.ends) {
            return Doing::Nothing;
        }
        let is_active = facts.is_active && now < facts.ends;
        let after = Facts { name, ends, is_active, version: 0 };
        Doing::Editing { key, edit, attempt, before, after, is_counted: false }
    }

    /// `functions::api_keys::update`, its write: made again when it met another change.
    ///
    /// - `is_counted`: whether the index item was gone and its key is counted again, now that the others were.
    fn edit(
        &self,
        world: &mut World,
        (key, edit, attempt): (u8, Edit, u8),
        before: Key,
        after: Facts,
        is_counted: bool,
    ) -> Doing {
        let found = world.tables.keys[usize::from(key)];
        match self.replace(world, key, (before, after), is_counted, self.has(Flaw::EditWithoutVersion)) {
            Ok(()) => {
                if after.ends != before.facts.ends {
                    world.expires_anew(key, after.ends);
                }
                Doing::Nothing
            }
            Err(Refusal::DuplicateName | Refusal::LimitReached) => Doing::Nothing,
            Err(Refusal::IndexGone) => begin_recount(world, Purpose::Edit { key, edit, attempt, before, after }),
            Err(_) => {
                let has_user = world.tables.users[0].is_some();
                Self::went_wrong(world, found == Some(before) && has_user, Wrong::LostToNobody);
                self.again(Ask::Edit(edit), key, attempt)
            }
        }
    }

    /// `store::api_keys::replace_api_key`
    fn replace(
        &self,
        world: &mut World,
        key: u8,
        (before, after): (Key, Facts),
        is_counted: bool,
        is_unconditional: bool,
    ) -> Result<(), Refusal> {
        let (slot, now) = (usize::from(key), world.clock);
        let after = Facts { version: before.facts.version + 1, ..after };
        self.transact(world, |tables| {
            let found = tables.keys[slot];
            let puts_whole = self.has(Flaw::EditPutsWhole);
            let found = found.or(puts_whole.then_some(before)).ok_or(Refusal::Conflict)?;
            ensure(is_unconditional || found.facts.version == before.facts.version, Refusal::Conflict)?;
            if after.ends <= before.facts.ends && !self.has(Flaw::EditOverSweeper) {
                let is_as_read = found.facts.is_active == before.facts.is_active;
                ensure(is_unconditional || is_as_read, Refusal::Conflict)?;
            }
            if after.is_active && !before.facts.is_active && !self.has(Flaw::ReactivateOverSweeper) {
                ensure(found.is_due, Refusal::Conflict)?;
            }
            let is_due = found.is_due || after.ends != before.facts.ends;
            tables.keys[slot] = Some(Key { facts: after, is_due });
            let is_indexed = tables.index[slot].replace(after).is_some();
            ensure(!is_counted || !is_indexed, Refusal::Conflict)?;
            ensure(is_indexed || is_counted || self.has(Flaw::EditUncounted), Refusal::IndexGone)?;
            self.hold_name(tables, key, after.name, after.ends, now)?;
            if is_counted {
                count_key(tables, 1, Some(self.limit))?;
            }
            if after.name != before.facts.name {
                release_name(tables, key, before.facts.name);
            }
            Ok(())
        })
    }

    /// `functions::api_keys::set_state::revoke`, its read, which only says that there is such a key.
    fn read_to_revoke(&self, world: &mut World, key: u8) -> Doing {
        match world.tables.keys[usize::from(key)] {
            None => Doing::Nothing,
            Some(found) if self.has(Flaw::RevokeOnlyActive) && !found.facts.is_active => {
                world.revoked(key);
                Doing::Nothing
            }
            Some(_) => Doing::Revoking { key },
        }
    }

    /// `store::api_keys::revoke_api_key`
    fn revoke(&self, world: &mut World, key: u8) -> Doing {
        let slot = usize::from(key);
        let revoked = self.transact(world, |tables| {
            let found = tables.keys[slot].as_mut().ok_or(Refusal::Conflict)?;
            found.facts.is_active = false;
            found.facts.version += 1;
            let index = tables.index[slot].as_mut().ok_or(Refusal::Conflict)?;
            index.is_active = false;
            index.version += 1;
            Ok(())
        });
        match revoked {
            Ok(()) => world.revoked(key),
            Err(_) => self.seen.note(LOST_RACE),
        }
        Doing::Nothing
    }

    /// `functions::api_keys::set_state::reactivate`, its read, and `domain::ApiKey::reactivate` on it.
    fn read_to_reactivate(world: &mut World, key: u8, attempt: u8) -> Doing {
        match world.tables.keys[usize::from(key)] {
            Some(before) if world.clock < before.facts.ends && !before.facts.is_active => {
                Doing::Reactivating { key, attempt, before, is_overtaken: false }
            }
            _ => Doing::Nothing,
        }
    }

    /// `store::api_keys::reactivate_api_key`: not made again, since what it met may have been a revocation.
    fn reactivate(&self, world: &mut World, key: u8, attempt: u8, before: Key, is_overtaken: bool) -> Doing {
        let found = world.tables.keys[usize::from(key)];
        let after = Facts { is_active: true, ..before.facts };
        match self.replace(world, key, (before, after), false, self.has(Flaw::ReactivateWithoutVersion)) {
            Ok(()) => {
                world.reactivated(key, is_overtaken);
                self.seen.note(REOPENED);
                Doing::Nothing
            }
            Err(_) if self.has(Flaw::ReactivateAgain) && attempt + 1 < ATTEMPTS => {
                Doing::Again { ask: Ask::Reactivate, of: key, attempt: attempt + 1, is_overtaken }
            }
            Err(_) => {
                Self::went_wrong(world, found == Some(before), Wrong::LostToNobody);
                self.lost()
            }
        }
    }

    /// `functions::api_keys::delete`: made again when it met another change.
    fn delete(&self, world: &mut World, key: u8, attempt: u8, before: Key, is_unindexed: bool) -> Doing {
        let found = world.tables.keys[usize::from(key)];
        match self.delete_key(world, key, before.facts, is_unindexed) {
            Ok(()) => Doing::Nothing,
            Err(Refusal::IndexGone) => Doing::Deleting { key, attempt, before, is_unindexed: true },
            Err(_) => {
                Self::went_wrong(world, found == Some(before), Wrong::LostToNobody);
                self.again(Ask::Delete, key, attempt)
            }
        }
    }

    /// `store::api_keys::delete_api_key`: its one transaction, or the other, if the table has removed the index item.
    fn delete_key(&self, world: &mut World, key: u8, before: Facts, is_unindexed: bool) -> Result<(), Refusal> {
        let slot = usize::from(key);
        self.transact(world, |tables| {
            let found = tables.keys[slot].take().ok_or(Refusal::Conflict)?;
            let is_as_read = found.facts.version == before.version || self.has(Flaw::DeleteWithoutVersion);
            ensure(is_as_read, Refusal::Conflict)?;
            if !is_unindexed {
                tables.index[slot].take().ok_or(Refusal::IndexGone)?;
                count_key(tables, -1, None)?;
            }
            let is_own = release_name(tables, key, before.name);
            ensure(is_own || !self.has(Flaw::DeleteOnlyNamed), Refusal::Conflict)
        })?;
        world.promised.deleted[slot] = true;
        Ok(())
    }

    /// `store::sweeps::expire_api_key`: its one transaction, or the other, if the table has removed the index item.
    fn sweep(&self, world: &mut World, key: u8, now: u8, is_unindexed: bool) -> Doing {
        let (slot, found) = (usize::from(key), world.tables.keys[usize::from(key)]);
        let swept = self.transact(world, |tables| {
            let key = tables.keys[slot].as_mut().ok_or(Refusal::Conflict)?;
            let has_expired = key.facts.ends <= now || self.has(Flaw::SweepWithoutExpiry);
            ensure(has_expired && key.is_due, Refusal::Conflict)?;
            key.facts.is_active = false;
            key.is_due = false;
            if is_unindexed {
                return Ok(());
            }
            let index = tables.index[slot].as_mut().ok_or(Refusal::IndexGone)?;
            ensure(index.ends <= now || self.has(Flaw::SweepWithoutExpiry), Refusal::Conflict)?;
            index.is_active = false;
            Ok(())
        });
        match swept {
            Ok(()) => {
                let is_living = found.is_some_and(|found| world.clock < found.facts.ends);
                Self::went_wrong(world, is_living, Wrong::SweptLiving);
                Doing::Nothing
            }
            Err(Refusal::IndexGone) => Doing::Sweeping { key, now, is_unindexed: true },
            Err(_) => self.lost(),
        }
    }

    /// `store::principals::api_key_and_user` and `token_state`, and what is known of the credential as they begin.
    fn begin_check(&self, world: &mut World, ask: Ask, of: u8, user: u8, key: Option<u8>, first: Unread) -> Doing {
        let promised = &world.promised;
        let is_token = !matches!(ask, Ask::Present | Ask::Exchange);
        let has_expired =
            |key: u8| world.tables.keys[usize::from(key)].is_some_and(|key| key.facts.ends <= world.clock);
        let bars = Bars {
            by_key: key.map(usize::from).is_some_and(|key| promised.revoked[key] || promised.deleted[key]),
            by_expiry: key.is_some_and(has_expired),
            by_user: promised.shut_out[usize::from(user)],
            by_session: is_token && promised.ended[usize::from(of)],
        };
        let unread = match world.tokens[usize::from(of)] {
            Some(token) if is_token => self.unread_of(token),
            _ => USER | KEY,
        };
        let check = Check { ask, of, user, key, unread, bars, key_ends: u8::MAX };
        self.read_and_decide(world, check, first)
    }

    /// One item of a batch, and after the last one `domain::principal::Principal::from_api_key` or `from_token`. What
    /// does not hold is refused as soon as it is read, which nobody can tell from later.
    fn read_and_decide(&self, world: &mut World, mut check: Check, reads: Unread) -> Doing {
        match reads {
            USER => {
                let user = world.tables.users[usize::from(check.user)].filter(|user| user.is_active);
                let Some(user) = user else { return self.refused() };
                // What the session says of it may as well be compared before it is read, since it never changes. To a
                // key it is of no concern, whose tokens live with it.
                let token = world.tokens[usize::from(check.of)].filter(|_| check.is_of_token());
                if token.and_then(|token| token.sign_outs).is_some_and(|sign_outs| sign_outs != user.sign_outs) {
                    return self.refused();
                }
            }
            SESSION => {
                let record = world.tables.sessions[usize::from(check.of)];
                let is_alive = record.map_or(check.key.is_some(), |record| !record.is_revoked);
                if !is_alive {
                    return self.refused();
                }
            }
            _ => {
                let key = usize::from(check.key.unwrap_or_default());
                let key = if reads == STALE_KEY { world.replica[key] } else { world.tables.keys[key] };
                let Some(key) = key.filter(|key| key.facts.is_active) else { return self.refused() };
                check.key_ends = key.facts.ends;
            }
        }
        check.unread &= if reads == STALE_KEY { !KEY } else { !reads };
        if check.unread != 0 {
            return Doing::Checking(check);
        }
        let is_expired = check.key_ends <= world.clock && !self.has(Flaw::CheckWithoutExpiry);
        if is_expired { self.refused() } else { self.accept(world, &check) }
    }

    fn accept(&self, world: &mut World, check: &Check) -> Doing {
        self.seen.note(ACCEPTED);
        let Bars { by_key, by_expiry, by_user, by_session } = check.bars;
        Self::went_wrong(world, by_expiry, Wrong::AcceptedExpired);
        Self::went_wrong(world, by_key || by_user || by_session, Wrong::AcceptedShut);
        match check.ask {
            Ask::Exchange => self.exchange(world, check),
            Ask::Refresh => self.refresh(world, check),
            Ask::EndOthers => match world.tokens[usize::from(check.of)].and_then(|token| token.sign_outs) {
                // That of the user is the same, or the check would have refused.
                Some(sign_outs) => Doing::EndingOthers { session: check.of, user: check.user, sign_outs },
                None => Doing::Nothing,
            },
            _ => Doing::Nothing,
        }
    }

    /// `functions::authenticate` by a key: `domain::token::Claims::sign_in`, and not one write.
    fn exchange(&self, world: &mut World, check: &Check) -> Doing {
        if usize::from(world.sessions_begun) < self.most_sessions {
            let session_ends = world.clock + ABSOLUTE_LIMIT;
            let expires = (world.clock + LIFETIME).min(session_ends).min(check.key_ends);
            let token = Token { user: check.user, key: check.key, expires, session_ends, sign_outs: None };
            world.begin_session(token, session_ends);
        }
        Doing::Nothing
    }

    /// `functions::refresh::go_on`: `domain::token::Claims::refresh`, and not one write.
    fn refresh(&self, world: &mut World, check: &Check) -> Doing {
        let Some(token) = &mut world.tokens[usize::from(check.of)] else { return Doing::Nothing };
        let longest = world.clock + LIFETIME;
        let is_unlimited = self.has(Flaw::RefreshWithoutLimit);
        if token.session_ends <= world.clock && !is_unlimited {
            return self.refused();
        }
        let limit = if is_unlimited { longest } else { token.session_ends };
        token.expires = token.expires.max(longest.min(limit).min(check.key_ends));
        Doing::Nothing
    }

    /// `functions::authenticate::by_password` and `store::sessions::begin_session`. It is tried once more with the user
    /// as they are by then, since they may only have been signed out.
    fn sign_in(&self, world: &mut World, user: u8, hash: u8, sign_outs: u8, is_again: bool) -> Doing {
        if usize::from(world.sessions_begun) >= self.most_sessions {
            return Doing::Nothing;
        }
        let (session, ends) = (usize::from(world.sessions_begun), world.clock + ABSOLUTE_LIMIT);
        let begun = self.transact(world, |tables| {
            let found = tables.users[usize::from(user)].filter(|user| user.is_active).ok_or(Refusal::Conflict)?;
            ensure(found.sign_outs == sign_outs, Refusal::Conflict)?;
            tables.sessions[session] = Some(Record { is_revoked: false, sign_outs, ends });
            ensure(tables.password_hash == hash || self.has(Flaw::SignInWithoutPassword), Refusal::Conflict)
        });
        match begun {
            Ok(()) => {
                let expires = (world.clock + LIFETIME).min(ends);
                let sign_outs = world.tables.sessions[session].map(|record| record.sign_outs);
                world.begin_session(Token { user, key: None, expires, session_ends: ends, sign_outs }, ends);
                // By a password that was changed it should not have begun.
                world.promised.ended[session] = hash != world.tables.password_hash;
                Doing::Nothing
            }
            Err(_) if is_again => self.lost(),
            Err(_) => {
                self.seen.note(LOST_RACE);
                Doing::Recognised { user, hash, is_again: true }
            }
        }
    }

    /// `functions::revoke_tokens` and `store::sessions::end_sessions`. That the caller is let in is another check.
    fn sign_out(&self, world: &mut World, session: u8) -> Doing {
        let slot = usize::from(session);
        let Some(token) = world.tokens[slot].filter(|token| world.clock < token.expires) else { return Doing::Nothing };
        let ended = self.transact(world, |tables| {
            let unknown = Record { is_revoked: true, sign_outs: 0, ends: token.session_ends };
            tables.sessions[slot] = Some(Record { is_revoked: true, ..tables.sessions[slot].unwrap_or(unknown) });
            Ok(())
        });
        if ended.is_ok() {
            world.promised.ended[slot] = true;
        }
        Doing::Nothing
    }

    /// `store::sessions::end_other_sessions`
    fn end_others(&self, world: &mut World, session: u8, user: u8, sign_outs: u8) -> Doing {
        if usize::from(world.sessions_begun) >= self.most_sessions {
            return Doing::Nothing;
        }
        let (before, next) = (usize::from(session), usize::from(world.sessions_begun));
        let Some(token) = world.tokens[before] else { return Doing::Nothing };
        let ended = self.transact(world, |tables| {
            let record = Record { is_revoked: false, sign_outs: sign_outs + 1, ends: token.session_ends };
            tables.sessions[next] = Some(record);
            let living = tables.sessions[before].as_mut().filter(|record| !record.is_revoked);
            living.ok_or(Refusal::Conflict)?.is_revoked = true;
            let found = tables.users[usize::from(user)].as_mut().ok_or(Refusal::Conflict)?;
            ensure(found.sign_outs == sign_outs, Refusal::Conflict)?;
            found.sign_outs += 1;
            Ok(())
        });
        if ended.is_err() {
            return self.lost();
        }
        world.signed_out(user);
        let expires = (world.clock + LIFETIME).min(token.session_ends);
        world.begin_session(
            Token { expires, sign_outs: Some(sign_outs + 1), ..token },
            world.promised.sign_in_ends[before],
        );
        Doing::Nothing
    }

    /// `store::people::set_password`: it ends the sessions of those who the person was when that was read.
    fn change_password(&self, world: &mut World, hash: u8, joins: u8, memberships: [bool; USERS]) -> Doing {
        let changed = self.transact(world, |tables| {
            ensure(tables.password_hash == hash && tables.joins == joins, Refusal::Conflict)?;
            tables.password_hash += 1;
            for (user, _) in memberships.iter().enumerate().filter(|(_, is_member)| **is_member) {
                tables.users[user].as_mut().ok_or(Refusal::Conflict)?.sign_outs += 1;
            }
            Ok(())
        });
        if changed.is_err() {
            return self.lost();
        }
        (0..).take(USERS).for_each(|user| world.signed_out(user));
        Doing::Nothing
    }

    /// `functions::sso::admission` and `store::users::create_user`: whoever comes by an identity sets no password.
    fn join(&self, world: &mut World, user: u8) -> Doing {
        let joined = self.transact(world, |tables| {
            ensure(!tables.memberships[usize::from(user)], Refusal::Conflict)?;
            tables.memberships[usize::from(user)] = true;
            tables.users[usize::from(user)] =
                Some(User { is_active: true, sign_outs: 0, key_count: 0, key_changes: 0 });
            tables.joins += u8::from(!self.has(Flaw::JoinUnnoted));
            Ok(())
        });
        if joined.is_err() { self.lost() } else { Doing::Nothing }
    }

    /// `functions::users::change`, its read: who is enabled already is left alone.
    fn read_to_replace(&self, world: &mut World, user: u8, attempt: u8, is_active: bool) -> Doing {
        let Some(before) = world.tables.users[usize::from(user)] else { return Doing::Nothing };
        if before.is_active == is_active && (is_active || self.has(Flaw::DisableOnlyActive)) {
            if !is_active {
                world.shut_out(user);
            }
            return Doing::Nothing;
        }
        Doing::Replacing { user, attempt, before: as_read(before), is_active, is_overtaken: false }
    }

    /// `functions::users::change`, its write: a disabling is made again when it met another change.
    fn replace_user(
        &self,
        world: &mut World,
        user: u8,
        attempt: u8,
        before: Before,
        is_active: bool,
        is_overtaken: bool,
    ) -> Doing {
        match self.replace_profile(world, user, before, is_active) {
            Ok(()) if is_active => {
                if !(is_overtaken && self.enables_only_later) {
                    world.promised.shut_out[usize::from(user)] = false;
                    world.tell_checks(|check| check.bars.by_user &= check.user != user);
                }
                self.seen.note(REOPENED);
                Doing::Nothing
            }
            Ok(()) => {
                world.shut_out(user);
                Doing::Nothing
            }
            Err(_) if is_active => self.lost(),
            Err(_) => self.again(Ask::Disable, user, attempt),
        }
    }

    /// `store::users::replace_user`
    fn replace_profile(&self, world: &mut World, user: u8, before: Before, is_active: bool) -> Result<(), Refusal> {
        self.transact(world, |tables| {
            let found = tables.users[usize::from(user)].as_mut().ok_or(Refusal::Conflict)?;
            ensure(found.is_active == before.is_active, Refusal::Conflict)?;
            // Only who enables asks; who disables is not to lose to one who signs out again and again.
            let is_as_read = !is_active || found.sign_outs == before.sign_outs;
            ensure(is_as_read || self.has(Flaw::ReplaceByValues), Refusal::Conflict)?;
            found.is_active = is_active;
            found.sign_outs += u8::from(!is_active && !self.has(Flaw::DisableWithoutSignOut));
            Ok(())
        })
    }

    /// `functions::users::delete`, its first write, by which everything of theirs is dead.
    fn disable_to_remove(&self, world: &mut World, user: u8, before: Before) -> Doing {
        match self.replace_profile(world, user, before, false) {
            Ok(()) => {
                world.shut_out(user);
                Doing::RemovingLists { user, attempt: 0 }
            }
            Err(_) => self.lost(),
        }
    }

    /// `functions::users::delete`, one of the keys that were listed. One that was changed since is left to the next
    /// round.
    fn remove_key(&self, world: &mut World, user: u8, attempt: u8, mut listed: [Option<Facts>; KEYS]) -> Doing {
        if let Some(key) = (0..).take(KEYS).find(|key| listed[usize::from(*key)].is_some())
            && let Some(before) = listed[usize::from(key)].take()
            && let Err(Refusal::IndexGone) = self.delete_key(world, key, before, false)
        {
            // Either it is done by now, or it is for the next round too.
            let _unindexed = self.delete_key(world, key, before, true);
        }
        removing(user, attempt, listed)
    }

    /// `store::users::delete_user`: one transaction, and a recount if the user seems to have keys.
    fn remove_user(&self, world: &mut World, user: u8, attempt: u8, recount: Recount) -> Doing {
        let removed = self.transact(world, |tables| {
            let found = tables.users[usize::from(user)].take().ok_or(Refusal::Conflict)?;
            let has_none = found.key_count == 0 || self.has(Flaw::RemoveWithKeys);
            ensure(!found.is_active && has_none, Refusal::Conflict)?;
            tables.memberships[usize::from(user)] = false;
            Ok(())
        });
        if removed.is_ok() {
            world.shut_out(user);
            return Doing::Nothing;
        }
        self.seen.note(LOST_RACE);
        if recount == Recount::NotYet && !self.has(Flaw::RemoveWithoutRecount) {
            return begin_recount(world, Purpose::Remove { user, attempt });
        }
        let has_keys = world.keys().next().is_some() || world.tables.index.iter().any(Option::is_some);
        let is_disabled = world.tables.users[usize::from(user)].is_some_and(|user| !user.is_active);
        Self::went_wrong(world, is_disabled && !has_keys && recount != Recount::Lost, Wrong::RemovalStuck);
        removing_again(user, attempt)
    }
}

fn removing_again(user: u8, attempt: u8) -> Doing {
    if attempt + 1 < ATTEMPTS { Doing::RemovingLists { user, attempt: attempt + 1 } } else { Doing::Nothing }
}

fn as_read(user: User) -> Before {
    Before { is_active: user.is_active, sign_outs: user.sign_outs }
}

/// `store::api_keys::recount_api_keys`, its read of the profile.
fn begin_recount(world: &World, purpose: Purpose) -> Doing {
    world.tables.users[0].map_or(Doing::Nothing, |user| Doing::Recounting { purpose, changes: user.key_changes })
}

/// `functions::users::delete`: first the keys that were listed, then the profile.
fn removing(user: u8, attempt: u8, listed: [Option<Facts>; KEYS]) -> Doing {
    if listed.iter().any(Option::is_some) {
        Doing::RemovingKeys { user, attempt, listed }
    } else {
        Doing::RemovingProfile { user, attempt, recount: Recount::NotYet }
    }
}

fn ensure(holds: bool, otherwise: Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// `store::api_keys::release_name`: if another key has taken it, the same is written without. Returns whether none has.
fn release_name(tables: &mut Tables, key: u8, name: u8) -> bool {
    let held = &mut tables.names[usize::from(name)];
    let is_own = held.is_none_or(|held| held.key == key);
    if is_own {
        *held = None;
    }
    is_own
}

/// `store::api_keys::count_api_key`
fn count_key(tables: &mut Tables, by: i8, limit: Option<i8>) -> Result<(), Refusal> {
    let user = tables.users[0].as_mut().ok_or(Refusal::Conflict)?;
    ensure(limit.is_none_or(|limit| user.key_count < limit), Refusal::LimitReached)?;
    user.key_count += by;
    user.key_changes += 1;
    Ok(())
}

/// Looks at every state, and panics with the way to one that should not be.
fn look_at_all(what: &str, model: Lifecycle) {
    let checked = model.checker().spawn_bfs().join();
    println!("{what}: {} states, {} steps at most", checked.unique_state_count(), checked.max_depth());
    checked.assert_properties();
}

/// Looks until it finds the shortest way to what should not be, and panics if there is none.
fn find(wanted: &'static str, model: Lifecycle) {
    let found = model.checker().finish_when(HasDiscoveries::AllOf([wanted].into())).spawn_bfs().join();
    let path = found.assert_any_discovery(wanted);
    println!("{wanted}: not so after {} states, by {:?}", found.unique_state_count(), path.into_actions());
}

const SHUT_KEY: &str = "a revoked key stays shut";
const DELETED_KEY: &str = "a deleted key never returns";
const NAMED: &str = "each key holds its name, and nothing else does";
const SWEPT: &str = "what was swept is inactive";
const COUNTED: &str = "the counter is the number of keys";
const WITHIN_LIMIT: &str = "nobody has more keys than they may";
const LEFT_NOTHING: &str = "nobody is removed and leaves a key";
const SHUT_OUT: &str = "who was disabled or removed stays out";
const ENDED: &str = "a session that was ended stays ended";
const WITHIN_SIGN_IN: &str = "no token outlives the sign-in that it goes back to";
const REFUSED_AFTER: &str = "a check that begins after the end is refused";
const REFUSED_EXPIRED: &str = "no check accepts an expired key";
const SWEEPER_KEEPS: &str = "the sweeper takes only what has expired";
const UNCHANGED: &str = "what is refused changes nothing";
const LOST_TO_SOMEBODY: &str = "who loses has lost to somebody";
const REMOVABLE: &str = "who is disabled and has no keys can be removed";

fn changes_of_a_key() -> Lifecycle {
    const ASKS: &[Ask] =
        &[Ask::Edit(Edit::Rename(1)), Ask::Edit(Edit::Expire(LATER)), Ask::Revoke, Ask::Reactivate, Ask::Delete];
    Lifecycle { until: SOON, expects: LOST_RACE | REOPENED, ..Lifecycle::of(ASKS) }
}

fn changes_and_the_sweeper() -> Lifecycle {
    const ASKS: &[Ask] = &[
        Ask::Edit(Edit::Rename(1)),
        Ask::Edit(Edit::Expire(SOON)),
        Ask::Edit(Edit::Expire(LATER)),
        Ask::Revoke,
        Ask::Reactivate,
        Ask::Sweep,
    ];
    Lifecycle { until: LATER, expects: LOST_RACE | REOPENED, ..Lifecycle::of(ASKS) }
}

fn names_and_the_limit() -> Lifecycle {
    const ASKS: &[Ask] =
        &[Ask::Create(1), Ask::Create(2), Ask::Edit(Edit::Rename(0)), Ask::Edit(Edit::Rename(1)), Ask::Delete];
    Lifecycle { expects: LOST_RACE, ..Lifecycle::of(ASKS) }
}

fn presenting_a_key() -> Lifecycle {
    const ASKS: &[Ask] = &[Ask::Present, Ask::Edit(Edit::Expire(LATER)), Ask::Revoke, Ask::Reactivate, Ask::Delete];
    Lifecycle { until: LATER, expects: ACCEPTED | REFUSED | REOPENED, ..Lifecycle::of(ASKS) }
}

fn presenting_a_key_of_a_user() -> Lifecycle {
    const ASKS: &[Ask] = &[Ask::Present, Ask::Exchange, Ask::Use, Ask::Revoke, Ask::Disable, Ask::Enable];
    Lifecycle { most_sessions: 1, expects: ACCEPTED | REFUSED | REOPENED, ..Lifecycle::of(ASKS) }
}

fn tokens_of_a_key() -> Lifecycle {
    const ASKS: &[Ask] = &[Ask::Exchange, Ask::Use, Ask::Revoke, Ask::Reactivate, Ask::SignOut];
    Lifecycle { until: SOON, most_sessions: 2, expects: ACCEPTED | REFUSED | REOPENED, ..Lifecycle::of(ASKS) }
}

fn refreshing_by_a_key() -> Lifecycle {
    const ASKS: &[Ask] =
        &[Ask::Exchange, Ask::Refresh, Ask::Edit(Edit::Expire(SOON)), Ask::Edit(Edit::Expire(LATER)), Ask::Revoke];
    Lifecycle { until: LATER, most_sessions: 1, expects: ACCEPTED | REFUSED, ..Lifecycle::of(ASKS) }
}

fn signing_in_and_out() -> Lifecycle {
    const ASKS: &[Ask] = &[Ask::SignIn, Ask::SignOut, Ask::EndOthers, Ask::ChangePassword, Ask::Disable, Ask::Enable];
    Lifecycle { keys: 0, sessions: 1, expects: LOST_RACE, ..Lifecycle::of(ASKS) }
}

fn refreshing() -> Lifecycle {
    const ASKS: &[Ask] = &[Ask::Refresh, Ask::SignOut, Ask::EndOthers, Ask::ChangePassword, Ask::Disable];
    Lifecycle {
        keys: 0,
        sessions: 1,
        most_sessions: 2,
        until: ABSOLUTE_LIMIT,
        table_removes: true,
        expects: ACCEPTED | REFUSED | LOST_RACE,
        ..Lifecycle::of(ASKS)
    }
}

fn removing_a_user() -> Lifecycle {
    const ASKS: &[Ask] = &[Ask::Create(1), Ask::Revoke, Ask::RemoveUser, Ask::Enable];
    Lifecycle { expects: LOST_RACE, ..Lifecycle::of(ASKS) }
}

/// A key that the tables may remove at last, and the one that its user may have.
fn lapsed() -> Lifecycle {
    const ASKS: &[Ask] = &[Ask::Create(0), Ask::Create(1), Ask::Edit(Edit::Expire(LAPSED + 1)), Ask::Delete];
    Lifecycle { limit: 1, from: LAPSED, until: LAPSED, table_removes: true, ..Lifecycle::of(ASKS) }
}

fn changes_of_a_lapsed_key() -> Lifecycle {
    const ASKS: &[Ask] = &[Ask::Edit(Edit::Expire(LAPSED + 1)), Ask::Revoke, Ask::Reactivate, Ask::Delete, Ask::Sweep];
    Lifecycle { asks: ASKS, until: LAPSED + 1, ..lapsed() }
}

fn removing_with_lapsed() -> Lifecycle {
    const ASKS: &[Ask] = &[Ask::Create(1), Ask::Edit(Edit::Expire(LAPSED + 1)), Ask::RemoveUser];
    Lifecycle { asks: ASKS, ..lapsed() }
}

fn disabling_and_enabling() -> Lifecycle {
    Lifecycle { enables_only_later: true, ..Lifecycle::of(&[Ask::Present, Ask::Disable, Ask::Enable]) }
}

fn joining() -> Lifecycle {
    Lifecycle { keys: 0, ..Lifecycle::of(&[Ask::SignIn, Ask::ChangePassword, Ask::Join]) }
}

#[test]
fn whatever_comes_between_a_revoked_key_stays_shut_and_a_deleted_one_away() {
    look_at_all("changes of a key", changes_of_a_key());
}

#[test]
fn the_sweeper_takes_no_key_that_was_given_time_and_no_edit_takes_one_back() {
    look_at_all("changes and the sweeper", changes_and_the_sweeper());
}

#[test]
fn names_stay_held_once_and_the_counter_right() {
    look_at_all("names and the limit", names_and_the_limit());
}

#[test]
fn a_key_is_refused_from_the_answer_on_that_ends_it() {
    look_at_all("presenting a key", presenting_a_key());
    look_at_all("presenting a key of a user", presenting_a_key_of_a_user());
}

#[test]
fn a_token_is_refused_from_the_answer_on_that_ends_its_key() {
    look_at_all("tokens of a key", tokens_of_a_key());
}

#[test]
fn a_session_that_was_ended_never_comes_back() {
    look_at_all("signing in and out", signing_in_and_out());
}

#[test]
fn no_refreshing_leads_past_the_end_of_a_session() {
    look_at_all("refreshing", refreshing());
    look_at_all("refreshing by a key", refreshing_by_a_key());
}

#[test]
fn a_user_who_was_removed_leaves_no_key() {
    look_at_all("removing a user", removing_a_user());
}

#[test]
fn what_the_tables_remove_opens_nothing() {
    look_at_all("changes of a lapsed key", changes_of_a_lapsed_key());
    look_at_all("lapsed", lapsed());
    look_at_all("removing with lapsed", removing_with_lapsed());
}

#[test]
fn no_enabling_outlives_a_disabling_that_was_answered_after_its_read() {
    look_at_all("disabling and enabling", disabling_and_enabling());
}

#[test]
fn no_session_by_the_old_password_outlives_it_wherever_the_person_comes_in() {
    look_at_all("joining", joining());
}

// Every rule that is taken out is missed.

#[test]
fn an_edit_without_the_version_would_undo_a_revocation() {
    find(SHUT_KEY, changes_of_a_key().with(Flaw::EditWithoutVersion));
}

#[test]
fn an_edit_that_puts_the_whole_item_would_bring_a_deleted_key_back() {
    find(DELETED_KEY, changes_of_a_key().with(Flaw::EditPutsWhole));
}

#[test]
fn a_re_activation_without_the_version_would_outlive_a_revocation() {
    find(SHUT_KEY, changes_of_a_key().with(Flaw::ReactivateWithoutVersion));
}

#[test]
fn a_re_activation_that_is_made_again_would_outlive_a_revocation() {
    find(SHUT_KEY, changes_of_a_key().with(Flaw::ReactivateAgain));
}

#[test]
fn a_revocation_that_writes_nothing_to_a_revoked_key_would_lose_to_a_re_activation() {
    find(SHUT_KEY, changes_of_a_key().with(Flaw::RevokeOnlyActive));
}

#[test]
fn an_edit_or_a_re_activation_that_does_not_ask_for_the_sweeper_would_undo_it() {
    find(SWEPT, changes_and_the_sweeper().with(Flaw::EditOverSweeper));
    find(SWEPT, changes_and_the_sweeper().with(Flaw::ReactivateOverSweeper));
}

#[test]
fn a_sweeper_that_believes_its_index_would_take_a_key_that_was_extended() {
    find(SWEEPER_KEEPS, changes_and_the_sweeper().with(Flaw::SweepWithoutExpiry));
}

#[test]
fn a_name_that_is_looked_at_before_it_is_held_would_be_held_twice() {
    find(NAMED, names_and_the_limit().with(Flaw::NameReadBefore));
}

#[test]
fn a_deletion_without_the_version_would_let_go_of_another_name() {
    find(NAMED, names_and_the_limit().with(Flaw::DeleteWithoutVersion));
}

#[test]
fn a_recount_that_does_not_ask_who_came_meanwhile_would_be_wrong() {
    find(COUNTED, names_and_the_limit().with(Flaw::RecountWithoutChanges));
}

#[test]
fn writes_one_after_the_other_would_leave_half_of_what_was_refused() {
    find(UNCHANGED, names_and_the_limit().with(Flaw::Torn));
}

#[test]
fn a_check_that_reads_a_replica_would_accept_a_revoked_key() {
    find(REFUSED_AFTER, presenting_a_key().with(Flaw::StaleCheck));
}

#[test]
fn a_check_that_trusts_the_sweeper_would_accept_an_expired_key() {
    find(REFUSED_EXPIRED, presenting_a_key().with(Flaw::CheckWithoutExpiry));
}

#[test]
fn a_token_that_is_checked_without_its_key_would_outlive_it() {
    find(REFUSED_AFTER, tokens_of_a_key().with(Flaw::TokenWithoutKey));
}

#[test]
fn a_sign_in_that_does_not_ask_for_the_password_again_would_outlive_it() {
    find(ENDED, signing_in_and_out().with(Flaw::SignInWithoutPassword));
}

#[test]
fn a_disabling_that_ends_no_session_would_be_undone_by_enabling() {
    find(ENDED, signing_in_and_out().with(Flaw::DisableWithoutSignOut));
}

#[test]
fn a_refreshing_without_the_limit_would_lead_past_the_end() {
    find(WITHIN_SIGN_IN, refreshing().with(Flaw::RefreshWithoutLimit));
}

#[test]
fn a_removal_that_does_not_ask_for_keys_would_leave_one() {
    find(LEFT_NOTHING, removing_a_user().with(Flaw::RemoveWithKeys));
}

/// Two admins and a user who is disabled: one reads the user to enable them, the other disables them once more and is
/// answered, and only then the first one writes.
#[test]
fn a_disabling_that_leaves_no_trace_would_lose_to_an_enabling_that_was_read_before() {
    find(SHUT_OUT, disabling_and_enabling().with(Flaw::DisableOnlyActive));
    find(REFUSED_AFTER, disabling_and_enabling().with(Flaw::ReplaceByValues));
}

/// A new password is about to be set, and signs out the users that the person was when that was read. Meanwhile they
/// come into another organization by an identity, and somebody signs in there by the old password.
#[test]
fn a_coming_in_that_leaves_no_trace_would_leave_a_session_by_the_old_password() {
    find(ENDED, joining().with(Flaw::JoinUnnoted));
}

/// Nobody counts a key down that the tables have removed, before the user makes as many as they may.
#[test]
fn a_removal_that_believes_the_counter_would_never_come_to_be() {
    find(REMOVABLE, removing_with_lapsed().with(Flaw::RemoveWithoutRecount));
}

/// The tables have removed the index item but not the key, a recount misses it, and an edit brings it back. With it
/// goes a user, who seems to have none.
#[test]
fn a_key_that_came_back_uncounted_would_be_one_too_many() {
    find(WITHIN_LIMIT, lapsed().with(Flaw::EditUncounted));
    find(LEFT_NOTHING, removing_with_lapsed().with(Flaw::EditUncounted));
}

/// The tables would have removed it and its name, which another key holds by now.
#[test]
fn a_deletion_that_insists_on_the_name_would_never_come_to_be() {
    find(LOST_TO_SOMEBODY, lapsed().with(Flaw::DeleteOnlyNamed));
}
