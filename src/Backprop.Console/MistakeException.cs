namespace Backprop.Console;

/// <summary>The user's mistake: the message says what is wrong, where, and what would be right. The
/// program ends with <see cref="ExitCode.Mistake"/>.</summary>
internal sealed class MistakeException : Exception
{
    public MistakeException(string message)
        : base(message)
    {
    }
}
