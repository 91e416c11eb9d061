using Backprop.Console.Client;
using Backprop.Console.Rendering.Top;
using Backprop.Distributed.Coordination;

namespace Backprop.Console.Tests.Rendering.Top;

/// <summary>What is seen of what is known.</summary>
public sealed class TopScreenTests
{
    private static readonly TopState s_state = Known.Nothing
        .Hearing(
            Known.Cluster(("10.0.0.1:8471", "up"), ("10.0.0.2:8471", "unreachable")),
            Known.Runs(
                Known.Run("digits-2", RunStanding.Queued, 0, "it waits for 2 workers"),
                Known.Run("digits-1", RunStanding.Training)))
        .Hearing(
            "digits-1", Known.View(Known.Run("digits-1", RunStanding.Training), 0.002),
            Known.Points(0, 8, 4, 2, 1), Known.Happening(1, "a worker has joined"));

    [Fact]
    public void It_says_what_runs_where_how_fast_and_what_it_waits_for()
    {
        string screen = Text(s_state, 80, 24);

        Assert.Contains("cluster backprop  2 nodes  2 runs, 2 open", screen);
        Assert.Matches(@"10\.0\.0\.2:8471 +server, worker +unreachable", screen);
        Assert.Matches(@"\n> digits-2 +queued +─{10,} +0\.0% +- ", screen);
        Assert.Contains("it waits for 2 workers", screen);
        Assert.Matches(@"\n  digits-1 +training +━{5,}─{5,} +50\.0% +500 ", screen);
        Assert.Matches(@"50\.0% +500 █+[▁-█]*▁+ +0\.125", screen);
        Assert.Contains("q quit", screen);
    }

    [Theory]
    [InlineData(80, 24)]
    [InlineData(40, 8)]
    [InlineData(132, 50)]
    [InlineData(200, 10)]
    public void It_fills_the_terminal_and_no_more(int width, int height)
    {
        TopState many = s_state.Hearing(
            Known.Cluster([.. Enumerable.Range(1, 90).Select(i => ($"10.0.0.{i}:8471", "up"))]),
            Known.Runs(
            [
                .. Enumerable.Range(0, 100).Select(i => Known.Run(
                    $"a-run-with-quite-a-long-name-{i}", RunStanding.Training, i,
                    new string('w', 300))),
            ]));
        foreach (TopState state in (TopState[])
        [
            many, many.After(Known.Key(ConsoleKey.End)), many.After(Known.Key('?')),
            many.After(Known.Key(ConsoleKey.Enter)), s_state, Known.Nothing,
            s_state.After(Known.Key('j'), Known.Key(ConsoleKey.Enter)),
        ])
        {
            var lines = TopScreen.Lines(state, width, height, Known.Now);
            Assert.Equal(height, lines.Length);
            Assert.All(lines, line => Assert.InRange(line.Text.Length, 0, width - 1));
        }
    }

    [Fact]
    public void The_selected_run_and_nodes_in_trouble_are_seen_however_many_there_are()
    {
        TopState many = Known.Nothing.Hearing(
            Known.Cluster(
            [
                .. Enumerable.Range(1, 90).Select(
                    i => ($"10.0.0.{i}:8471", i == 77 ? "unreachable" : "up")),
            ]),
            Known.Runs(
            [
                .. Enumerable.Range(0, 100).Select(
                    i => Known.Run($"r-{i}", RunStanding.Queued)),
            ]));
        string screen = Text(many.After(Known.Key(ConsoleKey.End)), 80, 24);

        Assert.Contains("> r-99 ", screen);
        Assert.Contains("10.0.0.77:8471", screen);
        Assert.Matches("and 8[0-9] more, all up", screen);
    }

    [Fact]
    public void The_detail_has_workers_with_their_shares_happenings_and_checkpoints()
    {
        string screen = Text(
            s_state.After(Known.Key('j'), Known.Key(ConsoleKey.Enter)), 80, 24);

        Assert.Contains("10.0.0.2:8471  ■■■■■■··  0-5  1 ms each", screen);
        Assert.Contains("10.0.0.3:8471  ······■■  6-7  3 ms each", screen);
        Assert.Contains("a worker has joined", screen);
        Assert.Contains("checkpoints  40", screen);
        Assert.Matches("loss █+.*▁ *  1", screen);
        Assert.DoesNotContain("#", screen);
    }

    [Fact]
    public void That_nothing_new_is_known_is_said_in_words()
    {
        TopState stale = s_state.Hearing(
            ServerEvent.Stale(TimeSpan.FromSeconds(12), "the coordinator moves"));

        Assert.Contains("nothing new for 12.0 s: the coordinator moves", Text(stale, 80, 24));
        Assert.DoesNotContain(
            "nothing new",
            Text(stale.Hearing(ServerEvent.Stale(TimeSpan.Zero, null)), 80, 24));
    }

    [Fact]
    public void A_question_and_an_outcome_are_said_at_the_bottom()
    {
        TopState asked = s_state.After(Known.Key('s'));

        Assert.Contains("stop digits-2 for good?", Text(asked, 80, 24).Split('\n')[^1]);
        Assert.Contains(
            "digits-2 goes on", Text(asked.After(Known.Key('n')), 80, 24).Split('\n')[^1]);
    }

    private static string Text(TopState state, int width, int height) => string.Join(
        '\n', TopScreen.Lines(state, width, height, Known.Now).Select(line => line.Text));
}
