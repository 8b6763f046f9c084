//! What goes wrong in the cloud, and on the way to it: each ends in a reason that says what to do, and leaves nothing.

use std::time::Duration;

use stacksnap_openstack::fake;
use stacksnap_openstack::fake::swift::Fault;

use super::lab::{Lab, NAME, PROJECT};
use crate::driver::Error;
use crate::drivers::openstack::lab::permanent;

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_without_object_storage_says_so() {
    let keystone = fake::Keystone::start().await;
    let swift = fake::Swift::unlisted(&keystone).await;
    let lab = Lab::with(keystone, swift);
    let why = permanent(lab.copy().await);
    assert!(why.contains("the service catalogue has no object-store"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_refusals_is_sat_out() {
    let lab = Lab::start().await;
    lab.fill().await;
    let before = lab.shown();
    lab.swift.fault("GET /files", Fault::Status(503), 2);
    lab.swift.fault("HEAD", Fault::Status(500), 0);
    lab.swift.fault("GET /files/a", Fault::CutOff, 2);
    lab.keystone.revoke_all("alice");
    let artifact = lab.copy().await.unwrap();
    lab.put("a", b"damage");
    lab.swift.remove(PROJECT, NAME, "typed");
    lab.keystone.revoke_all("alice");
    lab.swift.fault("PUT /files/a", Fault::Status(503), 1);
    lab.swift.fault("PUT /files/typed", Fault::Lost, 1);
    lab.swift.fault("HEAD", Fault::CutOff, 1);
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.shown(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_that_does_not_end_fails_the_step_with_the_services_words() {
    let lab = Lab::start().await;
    lab.put("one", b"1");
    lab.swift.fault("/files/one", Fault::Status(503), usize::MAX);
    let ended = lab.copy().await;
    let Err(Error::Transient { reason, .. }) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("503 Service Unavailable"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_busy_is_left_alone_for_as_long_as_it_asks() {
    let lab = Lab::start().await;
    lab.swift.fault("HEAD /files", Fault::Busy(90), usize::MAX);
    let ended = lab.copy().await;
    let Err(Error::Transient { after, .. }) = ended else { panic!("{ended:?}") };
    assert_eq!(after, Some(Duration::from_secs(90)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_gone_and_one_that_never_was_are_named() {
    let lab = Lab::start().await;
    lab.put("one", b"1");
    lab.swift.fault("/files/one", Fault::Status(403), 1);
    let why = permanent(lab.copy().await);
    assert!(why.contains("403") && why.contains("operator_roles"), "{why}");
    lab.swift.fault("", Fault::Status(401), usize::MAX);
    let why = permanent(lab.copy().await);
    assert!(why.contains("401") && why.contains("the right to act was taken back"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_projects_container_is_not_there() {
    let lab = Lab::start().await;
    lab.swift.lose_container(PROJECT, NAME);
    lab.swift.put_container("other-id", NAME, &[]);
    let ended = lab.copy().await;
    assert!(matches!(ended, Err(Error::Gone(_))), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_full_is_told_and_what_was_restored_stays() {
    let lab = Lab::start().await;
    lab.put("one", b"1");
    let artifact = lab.copy().await.unwrap();
    lab.swift.remove(PROJECT, NAME, "one");
    lab.put("extra", b"x");
    lab.swift.fault("PUT /files/one", Fault::Status(413), 1);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("413") && why.contains("quota"), "{why}");
    assert!(lab.content("extra").is_some(), "nothing is removed before all is written");
    lab.restore(&artifact).await.unwrap();
    assert_eq!((lab.content("one").unwrap(), lab.content("extra")), (b"1".to_vec(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_arrives_otherwise_than_its_etag_says_is_not_kept() {
    let lab = Lab::start().await;
    lab.put("large", &vec![7; 1 << 20]);
    lab.swift.break_reads(true);
    let ended = lab.copy().await;
    let Err(Error::Transient { reason, .. }) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("\"large\" broke off at byte"), "{reason}");
    lab.swift.break_reads(false);
    let artifact = lab.copy().await.unwrap();
    lab.swift.remove(PROJECT, NAME, "large");
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content("large").unwrap(), vec![7; 1 << 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_whose_segments_are_gone_is_copied_as_it_is_and_its_restore_says_so() {
    let lab = Lab::start().await;
    lab.put("part", b"1");
    lab.swift.put_slo(PROJECT, NAME, "static", &[(NAME, "part")]);
    lab.swift.remove(PROJECT, NAME, "part");
    let artifact = lab.copy().await;
    // Swift has broken it already; what can be kept of it is kept.
    let artifact = artifact.unwrap();
    lab.swift.remove(PROJECT, NAME, "static");
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("1 large objects can't be made again (static)") && why.contains("400"), "{why}");
}
