namespace Backprop.Distributed.Access;

/// <summary>What a token's holder may do: each role, what those before it may, and more.</summary>
public enum AccessRole
{
    /// <summary>Look at everything.</summary>
    Viewer = 1,

    /// <summary>Hand runs in, pause, resume and stop them, and have them predict.</summary>
    Operator = 2,

    /// <summary>Everything.</summary>
    Admin = 3,
}
