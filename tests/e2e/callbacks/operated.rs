//! Promises in the hands of operators.

use super::*;

#[tokio::test]
async fn operators_see_promises_without_numbers_and_end_hurry_and_forget_them() {
    let scene = waiting(11..14, Losing::Nothing).await;
    let server = &scene.server;
    stages(server, &["ringing", "ringing", "ringing"]).await;
    let command = |arguments: &[&str]| {
        let url = format!("http://{}", server.admin);
        let (first, rest) = arguments.split_first().unwrap();
        let mut command = ringback(&[first, "--admin", &url]);
        command.args(rest);
        output(command)
    };
    let id = |number| promise(number, CallId::from_bits(1)).id.to_string();
    let (code, list) = command(&["callbacks", "list"]);
    assert_eq!(code, Some(0), "{list}");
    assert!(list.contains("…12") && list.contains("3 open"), "{list}");
    assert!(!list.contains(&caller(12)), "{list}");
    let (code, shown) = command(&["callbacks", "show", &id(12)]);
    assert!(code == Some(0) && !shown.contains(&caller(12)), "{shown}");
    let (code, shown) = command(&["callbacks", "show", "--number", &id(12)]);
    assert!(code == Some(0) && shown.contains(&caller(12)), "{shown}");
    let (code, said) = command(&["callbacks", "cancel", &id(12)]);
    assert_eq!(code, Some(0), "{said}");
    stages(server, &["ringing", "ringing"]).await;
    let (code, said) = command(&["callbacks", "retry", &id(13)]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = command(&["forget", &caller(11)]);
    assert_eq!(code, Some(0), "{said}");
    stages(server, &["ringing"]).await;
    for wrong in [
        &["callbacks", "show", "promise-0"][..],
        &["callbacks", "cancel", "../breakers"],
        &["forget", "5550123"],
    ] {
        let (code, said) = command(wrong);
        assert_eq!(code, Some(2), "{said}");
    }
    assert!(!server.log().contains(digits(&caller(12))));
    scene.server.kill();
    let kept = open(&scene.path).await;
    let mut names = Vec::new();
    for promise in kept.promises(None, 10, now()).await.unwrap().records {
        names.push(promise.id.to_string());
    }
    assert!(!names.contains(&id(11)), "{names:?}");
}
