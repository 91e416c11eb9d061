using System.Diagnostics;

namespace Backprop.EndToEnd;

/// <summary>Waits for what others do, within a time that none of it takes on a slow machine.
/// </summary>
internal static class Patience
{
    private static readonly TimeSpan s_usual = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(250);

    /// <summary>Waits until there is an answer.</summary>
    /// <param name="what">What is waited for, for the message.</param>
    /// <param name="ask">The answer; null: not yet.</param>
    /// <param name="limit">The most time; null: the usual one.</param>
    /// <exception cref="TimeoutException">There was none in time.</exception>
    public static async Task<T> ForAsync<T>(
        string what, Func<Task<T?>> ask, TimeSpan? limit = null)
        where T : class
    {
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            if (await ask() is { } answer)
            {
                return answer;
            }

            if (Stopwatch.GetElapsedTime(began) > (limit ?? s_usual))
            {
                throw new TimeoutException($"not within {limit ?? s_usual}: {what}");
            }

            await Task.Delay(s_look);
        }
    }
}
