//! What the errors of the use cases are here. Each match is exhaustive: whoever adds an error decides it here.

use super::PortalError;
use crate::identity::StoreError;
use crate::identity::account::{AccountError, ProveError};
use crate::identity::admin::AdminError;
use crate::identity::carry_over::CarryOverError;
use crate::identity::device::NewDeviceError;
use crate::identity::password::{TooLong, Weakness};
use crate::identity::proof_of_work::Unsolved;
use crate::identity::registration::RegistrationError;
use crate::identity::second_factor::{EnrolError, FactorError};
use crate::identity::service::{AddUserError, RefreshError};
use crate::identity::setup::SetupError;
use crate::identity::sign_in::SignInError;

impl From<SignInError> for PortalError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Busy(busy) => busy.into(),
            SignInError::Locked { retry_after } => Self::Locked { retry_after },
            SignInError::Store(store) => store.into(),
            SignInError::Enrol(error) => error.into(),
            SignInError::NotPending => Self::NotPending,
            SignInError::WrongFactor => Self::WrongFactor,
            SignInError::WrongNameOrPassword { .. } => Self::WrongNameOrPassword,
        }
    }
}

impl From<RefreshError> for PortalError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Refused | RefreshError::Replayed => Self::InvalidRefreshToken,
            RefreshError::Store(store) => store.into(),
        }
    }
}

impl From<RegistrationError> for PortalError {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::BadInvitation => Self::BadInvitation,
            RegistrationError::Busy(busy) => busy.into(),
            RegistrationError::ByInvitationOnly => Self::ByInvitationOnly,
            RegistrationError::DomainNotAdmitted => Self::DomainNotAdmitted,
            RegistrationError::Invalid(field) => field.into(),
            RegistrationError::Off => Self::RegistrationOff,
            RegistrationError::Store(store) => store.into(),
            RegistrationError::Weak(weakness) => weakness.into(),
        }
    }
}

impl From<SetupError> for PortalError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Busy(busy) => busy.into(),
            SetupError::Closed => Self::SetupClosed,
            SetupError::Invalid(field) => field.into(),
            SetupError::Store(store) => store.into(),
            SetupError::Weak(weakness) => weakness.into(),
            SetupError::WrongCode => Self::WrongSetupCode,
        }
    }
}

impl From<EnrolError> for PortalError {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::AlreadyEnrolled => Self::AlreadyEnrolled,
            EnrolError::NotBegun => Self::NothingToConfirm,
            EnrolError::Wrong => Self::WrongFactor,
            EnrolError::NoSuchFactor => Self::NotFound,
            EnrolError::Required => Self::FactorRequired,
            EnrolError::Name => Self::InvalidDevice(EnrolError::Name.to_string()),
            EnrolError::Sealed(_) => Self::Internal("a sealed secret cannot be opened"),
            EnrolError::Store(store) => store.into(),
        }
    }
}

impl From<FactorError> for PortalError {
    fn from(error: FactorError) -> Self {
        SignInError::from(error).into()
    }
}

impl From<Unsolved> for PortalError {
    fn from(error: Unsolved) -> Self {
        match error {
            Unsolved::Unsolved => Self::PuzzleUnsolved,
            Unsolved::Store(store) => store.into(),
        }
    }
}

impl From<ProveError> for PortalError {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::AddressTaken => Self::AddressTaken,
            ProveError::Busy(busy) => busy.into(),
            ProveError::LinkSpent => Self::LinkSpent,
            ProveError::Locked { retry_after } => Self::Locked { retry_after },
            ProveError::Store(store) => store.into(),
            ProveError::Weak(weakness) => weakness.into(),
            ProveError::WrongPassword => Self::WrongPassword,
        }
    }
}

impl From<AccountError> for PortalError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Invalid(field) => field.into(),
            AccountError::LastAdmin => Self::LastAdmin,
            AccountError::NoMail => Self::NoMail,
            AccountError::NoUser => Self::NotFound,
            AccountError::Stale => Self::Stale,
            AccountError::Store(store) => store.into(),
        }
    }
}

impl From<AdminError> for PortalError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Account(error) => error.into(),
            AdminError::AddressTaken => Self::AddressTaken,
            AdminError::Beyond => Self::Beyond,
            AdminError::Standing(standing) => Self::Standing(standing.name()),
            AdminError::UnknownRole(role) => Self::UnknownRole(role.to_string()),
        }
    }
}

impl From<AddUserError> for PortalError {
    fn from(error: AddUserError) -> Self {
        match error {
            AddUserError::Beyond => Self::Beyond,
            AddUserError::Busy(busy) => busy.into(),
            AddUserError::Invalid(field) => field.into(),
            AddUserError::Store(StoreError::Conflict { .. }) => Self::AddressTaken,
            AddUserError::Store(store) => store.into(),
            AddUserError::UnknownRole(role) => Self::UnknownRole(role.to_string()),
            AddUserError::Weak(weakness) => weakness.into(),
        }
    }
}

impl From<NewDeviceError> for PortalError {
    fn from(error: NewDeviceError) -> Self {
        match error {
            NewDeviceError::NoUser => Self::Unauthenticated,
            NewDeviceError::Permission(_) => Self::Beyond,
            NewDeviceError::Store(store) => store.into(),
            NewDeviceError::TooMany => Self::TooManyDevices,
            NewDeviceError::Name | NewDeviceError::Expired => {
                Self::InvalidDevice(error.to_string())
            }
        }
    }
}

impl From<CarryOverError> for PortalError {
    fn from(error: CarryOverError) -> Self {
        match error {
            CarryOverError::Over => Self::WayInOver,
            CarryOverError::Store(store) => store.into(),
        }
    }
}

impl From<TooLong> for PortalError {
    fn from(_: TooLong) -> Self {
        Self::Weak(Weakness::TooLong)
    }
}
