using Spectre.Console.Testing;

namespace Backprop.Console.Tests.Rendering;

public sealed class TrainingViewTests
{
    [Fact]
    public void A_terminal_sees_the_run_move_and_its_loss_curve_at_the_end()
    {
        using var scratch = new ScratchDirectory();
        using var terminal = new TestConsole();
        terminal.Profile.Width = 80;
        terminal.Interactive();
        CommandRun run = CommandRun.With(
            new Surroundings { Terminal = terminal, Time = new TimeOfAWatchedRun() },
            "train", scratch.Write("moons.conf", Specifications.Moons), "--output",
            scratch["run"]);

        Assert.Equal(0, run.ExitCode);
        Assert.Matches(@"epoch \d/8  ━*─*  [\d.]+%", terminal.Output);
        Assert.Matches(@"\n *loss [\d.]+", terminal.Output);
        Assert.Contains("training loss", run.Output);
        Assert.Contains("epoch 8", run.Output);
        Assert.All(run.Output.Split('\n'), line => Assert.True(line.Length <= 110, line));
        Assert.DoesNotContain("step 20", run.Output);
    }

    /// <summary>Holds the run up until it was shown: the view reads the time before it draws, so at
    /// its third reading it has drawn twice.</summary>
    private sealed class TimeOfAWatchedRun : TimeProvider
    {
        private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
        private readonly ManualResetEventSlim _isShown = new();
        private int _readings;
        private int _stepsTimed;

        public override long GetTimestamp()
        {
            if (Thread.CurrentThread.Name != "training")
            {
                if (Volatile.Read(ref _stepsTimed) > 0 && ++_readings == 3)
                {
                    _isShown.Set();
                }
            }
            else if (++_stepsTimed == 30)
            {
                Assert.True(_isShown.Wait(s_patience), "the run was not shown");
            }

            return base.GetTimestamp();
        }
    }
}
