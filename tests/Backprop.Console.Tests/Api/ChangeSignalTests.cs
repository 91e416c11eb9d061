using Backprop.Console.Api.Feeds;
using Microsoft.Extensions.Time.Testing;

namespace Backprop.Console.Tests.Api;

public sealed class ChangeSignalTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Of_many_who_wait_some_are_woken_after_the_others()
    {
        var time = new FakeTimeProvider();
        var signal = new ChangeSignal(time);
        Task[] waits =
        [
            .. Enumerable.Range(0, 40).Select(_ => signal.WaitAsync(
                signal.Next, TimeSpan.FromHours(1), CancellationToken.None)),
        ];
        int Woken() => waits.Count(wait => wait.IsCompletedSuccessfully);
        signal.Raise();

        Assert.True(SpinWait.SpinUntil(() => Woken() == 16, s_patience));
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                // They ask for their time on threads of their own.
                time.Advance(TimeSpan.FromMilliseconds(1));
                return Woken() == waits.Length;
            },
            s_patience));
        await Task.WhenAll(waits);
    }

    [Fact]
    public async Task Who_waits_is_woken_when_the_time_is_over()
    {
        var time = new FakeTimeProvider();
        var signal = new ChangeSignal(time);
        Task next = signal.Next;
        Task wait = signal.WaitAsync(next, TimeSpan.FromSeconds(10), CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(wait.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));
        await wait.WaitAsync(s_patience);
        Assert.False(next.IsCompleted);
    }
}
