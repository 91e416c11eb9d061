namespace Backprop.Console.Diagnosis;

/// <summary>How bad it is.</summary>
internal enum Verdict
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>A node works with it, less well or less safely.</summary>
    Warning,

    /// <summary>A node does not work with it.</summary>
    Problem,
}

/// <summary>What a look at a node's set-up has found.</summary>
/// <param name="Check">What was looked at, in a few words.</param>
/// <param name="Verdict">How bad it is.</param>
/// <param name="Text">What was found.</param>
/// <param name="Advice">What to do; null: nothing.</param>
internal sealed record Finding(string Check, Verdict Verdict, string Text, string? Advice = null)
{
    public static Finding Ok(string check, string text) => new(check, Verdict.Ok, text);

    public static Finding Warning(string check, string text, string advice) =>
        new(check, Verdict.Warning, text, advice);

    public static Finding Problem(string check, string text, string advice) =>
        new(check, Verdict.Problem, text, advice);
}
